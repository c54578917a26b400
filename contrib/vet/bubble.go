package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var bubble = &analysis.Analyzer{
	Name: "bubble",
	Doc: `find channels that are made outside of a bubble and waited for in it

supervisortest.Run and FaultTable have virtual time, which advances when everything in their
bubble waits. A channel that was made before belongs to no bubble: while a child waits for it,
time does not advance, and the test hangs. Make the channel in the function that makes the tree, in the
child's Run, or in the function that gets the Harness.`,
	URL: manual,
	Run: func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			v := &bubbles{pass: pass, reported: make(map[*ast.CallExpr]bool)}
			v.visit(file)
		}
		return nil, nil
	},
}

// bubbles looks for bubbles in a file.
type bubbles struct {
	pass     *analysis.Pass
	function *ast.BlockStmt                 // that is looked at
	within   *ast.CallExpr                  // the call of supervisortest that is looked at
	made     map[types.Object]*ast.CallExpr // channels made by the function, outside of bubbles
	reported map[*ast.CallExpr]bool
}

func (b *bubbles) visit(file *ast.File) {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
			b.function = f.Body
			b.made = make(map[types.Object]*ast.CallExpr)
			b.collect(f.Body)
			b.search(f.Body)
		}
	}
}

// collect notes the channels that are made outside of function literals that may run in a
// bubble: those of supervisortest and synctest, and of helpers of the program.
func (b *bubbles) collect(root ast.Node) {
	walk(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if isCall(b.pass, n, "testing", "Run") {
				return true
			}
			for _, arg := range n.Args {
				if _, ok := ast.Unparen(arg).(*ast.FuncLit); ok {
					return false
				}
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE && len(n.Lhs) == len(n.Rhs) {
				for i, left := range n.Lhs {
					b.note(left, n.Rhs[i])
				}
			}
		case *ast.ValueSpec:
			if len(n.Names) == len(n.Values) {
				for i, name := range n.Names {
					b.note(name, n.Values[i])
				}
			}
		}
		return true
	})
}

func (b *bubbles) note(left, right ast.Expr) {
	id, ok := left.(*ast.Ident)
	if !ok {
		return
	}
	call, ok := ast.Unparen(right).(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return
	}
	fun, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok || fun.Name != "make" {
		return
	}
	if _, ok := b.pass.TypesInfo.TypeOf(call).Underlying().(*types.Chan); ok {
		b.made[b.pass.TypesInfo.Defs[id]] = call
	}
}

// search looks for the calls that make a bubble.
func (b *bubbles) search(root ast.Node) {
	walk(root, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isCall(b.pass, call, testPath, "Run", "FaultTable") {
			return true
		}
		b.within = call
		for _, arg := range call.Args {
			if f, ok := ast.Unparen(arg).(*ast.FuncLit); ok {
				walk(f.Body, b.look)
			}
		}
		return false
	})
}

// isShared reports whether a channel is used outside of the call, too: something there may
// serve it.
func (b *bubbles) isShared(ch types.Object) (shared bool) {
	walk(b.function, func(n ast.Node) bool {
		if n == b.within {
			return false
		}
		id, ok := n.(*ast.Ident)
		shared = shared || ok && b.pass.TypesInfo.Uses[id] == ch
		return !shared
	})
	return shared
}

// look reports a channel that a node in a bubble waits for.
func (b *bubbles) look(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			b.waits(n.X, true)
		}
	case *ast.RangeStmt:
		b.waits(n.X, true)
	case *ast.SendStmt:
		b.waits(n.Chan, false)
	}
	return true
}

// waits reports the channel ch, if it was made outside. Sending to one with a buffer need not
// wait.
func (b *bubbles) waits(ch ast.Expr, receives bool) {
	id, ok := ast.Unparen(ch).(*ast.Ident)
	if !ok {
		return
	}
	obj := b.pass.TypesInfo.Uses[id]
	call := b.made[obj]
	if call == nil || b.reported[call] || !receives && len(call.Args) > 1 || b.isShared(obj) {
		return
	}
	b.reported[call] = true
	b.pass.Reportf(call.Pos(), "%s is made outside of supervisortest.%s and waited for in it, so virtual time does not advance: "+
		"make it in the function that makes the tree", id.Name, callee(b.pass, b.within).Name())
}
