package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var goroutine = &analysis.Analyzer{
	Name: "goroutine",
	Doc: `find goroutines of a Run that nothing ends or waits for

Pass ctx to the goroutines that a Run starts, and wait for them before it returns. Otherwise
they go on beside the next run, and use siblings that have been stopped. A goroutine that
uses a context or a channel is not reported, nor one that uses something on which the Run
calls a method such as Close, Stop or Wait.`,
	URL:      manual,
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		decls := declarations(pass)
		for _, r := range runsOf(pass) {
			ended := r.ended(pass)
			walk(r.body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncLit:
					return !isRun(pass.TypesInfo.TypeOf(n)) // another Run
				case *ast.GoStmt:
					if isAlone(pass, decls, n.Call, ended) {
						pass.Reportf(n.Pos(), "nothing ends this goroutine or waits for it: pass ctx to it, and wait for it before Run returns")
					}
				}
				return true
			})
		}
		return nil, nil
	},
}

// enders are methods that end something, or wait for its end.
var enders = map[string]bool{
	"Wait": true, "Close": true, "CloseWithError": true, "CloseNow": true, "Stop": true, "GracefulStop": true, "Shutdown": true,
	"Kill": true, "Cancel": true, "Quit": true, "Interrupt": true, "SetDeadline": true, "SetReadDeadline": true, "Done": true,
}

// ended returns the variables and fields on which the function calls such a method.
func (r *run) ended(pass *analysis.Pass) map[types.Object]bool {
	ended := make(map[types.Object]bool)
	walk(r.body, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && enders[sel.Sel.Name] {
			objects(pass, sel.X, func(obj types.Object) { ended[obj] = true })
		}
		return true
	})
	if r.recv != nil {
		delete(ended, r.recv) // of s.server.Close(), only server is ended
	}
	return ended
}

// isAlone reports whether a goroutine uses no context, no channel, and nothing that is ended.
// What a function of the package uses counts if it is plain to see: a function without
// arguments can only use what it names.
func isAlone(pass *analysis.Pass, decls map[*types.Func]*ast.FuncDecl, code ast.Node, ended map[types.Object]bool) bool {
	alone := true
	objects(pass, code, func(obj types.Object) {
		if ended[obj] {
			alone = false
			return
		}
		switch obj := obj.(type) {
		case *types.Func:
			if obj.Pkg() != pass.Pkg {
				return
			}
			sig := obj.Signature()
			decl := decls[obj]
			if sig.Recv() != nil || sig.Params().Len() > 0 || decl == nil || decl.Body == nil {
				alone = false
				return
			}
			delete(decls, obj) // it may be recursive
			alone = alone && isAlone(pass, decls, decl.Body, ended)
			decls[obj] = decl
		default:
			t := obj.Type()
			switch t.Underlying().(type) {
			case *types.Chan, *types.Signature: // a function in a variable may do anything
				alone = false
			}
			if isAnyContext(t) {
				alone = false
			}
		}
	})
	return alone
}

// objects calls f for the variables, fields and functions that are used below root.
func objects(pass *analysis.Pass, root ast.Node, f func(types.Object)) {
	walk(root, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		switch obj := pass.TypesInfo.Uses[id].(type) {
		case *types.Var, *types.Func:
			f(obj)
		}
		return true
	})
}
