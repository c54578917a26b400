package vet

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var ready = &analysis.Analyzer{
	Name: "ready",
	Doc: `find Runs that never become ready

A Run that works until it is stopped must call ctx.Ready when its set-up is done. Otherwise
the supervisor waits: the children after it do not start.`,
	URL:      manual,
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		for _, r := range runsOf(pass) {
			if r.worksUntilStopped(pass) && !r.mayGetReady(pass) {
				pass.Reportf(r.at.Pos(), "this Run never calls ctx.Ready, so the supervisor waits for it and starts nothing after it: "+
					"call ctx.Ready when set-up is done, or use child.Plain if there is none")
			}
		}
		return nil, nil
	},
}

// mayGetReady reports whether the function calls Ready, or hands a context to code that may
// do that.
func (r *run) mayGetReady(pass *analysis.Pass) bool {
	return contains(r.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			return n.Sel.Name == "Ready" && isChildContext(pass.TypesInfo.TypeOf(n.X))
		case *ast.CallExpr:
			return handsOn(pass, n)
		case *ast.AssignStmt: // c := ctx
			return containsContext(pass, n.Rhs)
		case *ast.ValueSpec:
			return containsContext(pass, n.Values)
		case *ast.CompositeLit:
			return containsContext(pass, n.Elts)
		case *ast.KeyValueExpr:
			return containsContext(pass, []ast.Expr{n.Value})
		case *ast.ReturnStmt:
			return containsContext(pass, n.Results)
		case *ast.SendStmt:
			return containsContext(pass, []ast.Expr{n.Value})
		}
		return false
	})
}

// containsContext reports whether one of the expressions is a child.Context.
func containsContext(pass *analysis.Pass, exprs []ast.Expr) bool {
	for _, e := range exprs {
		if t := pass.TypesInfo.TypeOf(e); t != nil && isChildContext(t) {
			return true
		}
	}
	return false
}

// handsOn reports whether a context is an argument of the call, and the function that is
// called may know that it is that of a child.
func handsOn(pass *analysis.Pass, call *ast.CallExpr) bool {
	given, callback := false, false
	for _, arg := range call.Args {
		t := pass.TypesInfo.TypeOf(arg)
		if t == nil {
			continue
		}
		given = given || isAnyContext(t)
		_, isFunc := t.Underlying().(*types.Signature)
		callback = callback || isFunc
	}
	if !given {
		return false
	}
	f := callee(pass, call)
	if f == nil || f.Pkg() == nil || f.Pkg() == pass.Pkg {
		return true
	}
	if f.Pkg().Path() == childPath {
		return f.Name() == "Run" // of Runnable; nothing else in package child calls Ready
	}
	own := ""
	if pass.Module != nil {
		own = pass.Module.Path
	}
	return mayKnowChildren(f.Pkg().Path(), own) || callback && f.Pkg().Path() != "context"
}

// mayKnowChildren reports whether code of a package may use package child: if it belongs to
// the module own, or to Coppice. If the module is not known, any package may that is not of
// the standard library.
func mayKnowChildren(path, own string) bool {
	if isWithin(path, module) || own != "" && isWithin(path, own) {
		return true
	}
	return own == "" && !isStandard(path)
}

func isWithin(path, of string) bool { return path == of || strings.HasPrefix(path, of+"/") }

// worksUntilStopped reports whether the function plainly ends only when it is stopped, or
// fails.
func (r *run) worksUntilStopped(pass *analysis.Pass) (works bool) {
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CommClause: // another clause of the select may end the work
			for _, stmt := range n.Body {
				walkOwn(stmt, visit)
			}
			return false
		case *ast.ExprStmt: // <-ctx.Done()
			if recv, ok := ast.Unparen(n.X).(*ast.UnaryExpr); ok && r.isEnd(pass, recv) {
				works = true
			}
		case *ast.ForStmt:
			if (n.Cond == nil || r.asksForEnd(pass, n.Cond)) && !r.completes(pass, n.Body) {
				works = true
			}
		case *ast.RangeStmt:
			if isTicks(pass, n.X) && !r.completes(pass, n.Body) {
				works = true
			}
		case *ast.CallExpr:
			if isServing(pass, n) {
				works = true
			}
		}
		return !works
	}
	walkOwn(r.body, visit)
	return works
}

// isEnd reports whether e is <-ctx.Done().
func (r *run) isEnd(pass *analysis.Pass, e ast.Expr) bool {
	recv, ok := ast.Unparen(e).(*ast.UnaryExpr)
	if !ok {
		return false
	}
	call, ok := ast.Unparen(recv.X).(*ast.CallExpr)
	return ok && r.method(pass, call) == "Done"
}

// asksForEnd reports whether the condition depends on the end of ctx.
func (r *run) asksForEnd(pass *analysis.Pass, cond ast.Node) bool {
	return contains(cond, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return false
		}
		name := r.method(pass, call)
		return name == "ShouldHalt" || name == "Err" || isCall(pass, call, childPath, "Sleep")
	})
}

// completes reports whether a loop can end because its work is done: by a break, or by a
// return that may return nil.
func (r *run) completes(pass *analysis.Pass, body *ast.BlockStmt) (completes bool) {
	failed := make(map[*ast.ReturnStmt]types.Object) // what is not nil there
	r.walkUnstopped(pass, body, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.IfStmt:
			if obj := isNotNil(pass, n.Cond); obj != nil {
				walkOwn(n.Body, func(n ast.Node) bool {
					if ret, ok := n.(*ast.ReturnStmt); ok {
						failed[ret] = obj
					}
					return true
				})
			}
		case *ast.BranchStmt:
			completes = completes || n.Tok != token.CONTINUE
		case *ast.ReturnStmt:
			completes = completes || len(n.Results) == 0
			for _, result := range n.Results {
				completes = completes || r.mayMeanDone(pass, result, failed[n])
			}
		}
	})
	return completes
}

// walkUnstopped calls f for the nodes below body, without function literals, and without
// what runs when ctx has ended.
func (r *run) walkUnstopped(pass *analysis.Pass, body ast.Node, f func(ast.Node)) {
	ends := func(n ast.Node) bool {
		return n != nil && contains(n, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			return ok && r.isEnd(pass, e)
		})
	}
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CommClause:
			if n.Comm != nil && ends(n.Comm) {
				return false
			}
		case *ast.IfStmt:
			if r.asksForEnd(pass, n.Cond) || n.Init != nil && r.asksForEnd(pass, n.Init) {
				if n.Else != nil {
					walkOwn(n.Else, visit)
				}
				return false
			}
		}
		f(n)
		return true
	}
	walkOwn(body, visit)
}

// isNotNil returns err if the condition is err != nil.
func isNotNil(pass *analysis.Pass, cond ast.Expr) types.Object {
	e, ok := ast.Unparen(cond).(*ast.BinaryExpr)
	if !ok || e.Op != token.NEQ || !pass.TypesInfo.Types[e.Y].IsNil() {
		return nil
	}
	if id, ok := ast.Unparen(e.X).(*ast.Ident); ok {
		return pass.TypesInfo.Uses[id]
	}
	return nil
}

// mayMeanDone reports whether an error that is returned may be nil, or one of package child,
// such as child.ErrDone. The variable failed is not nil.
func (r *run) mayMeanDone(pass *analysis.Pass, e ast.Expr, failed types.Object) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return pass.TypesInfo.Uses[e] != failed
	case *ast.CallExpr:
		return r.method(pass, e) != "Err" && !isCall(pass, e, "fmt", "Errorf") && !isCall(pass, e, "errors", "New") &&
			!isCall(pass, e, "context", "Cause")
	}
	return true
}
