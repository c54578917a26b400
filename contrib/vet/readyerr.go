package vet

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/analysis"
)

var readyErr = &analysis.Analyzer{
	Name: "readyerr",
	Doc: `find errors of ctx.Ready that are ignored

If ctx.Ready returns an error, the run is being stopped, and Run must return that error.
Assign it to _ if it is ignored on purpose.`,
	URL: manual,
	Run: func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			walk(file, func(n ast.Node) bool {
				var at ast.Node
				switch n := n.(type) {
				case *ast.ExprStmt:
					if call, ok := ast.Unparen(n.X).(*ast.CallExpr); ok && isReady(pass, call) {
						at = call
					}
				case *ast.DeferStmt:
					if isReady(pass, n.Call) {
						at = n
					}
				case *ast.GoStmt:
					if isReady(pass, n.Call) {
						at = n
					}
				case *ast.IfStmt:
					if ignoresReady(pass, n) {
						at = n
					}
				}
				if at != nil {
					pass.Reportf(at.Pos(), "the error of ctx.Ready is ignored: return it, because the run is being stopped then")
				}
				return true
			})
		}
		return nil, nil
	},
}

// isReady reports whether call is ctx.Ready(), for any child.Context.
func isReady(pass *analysis.Pass, call *ast.CallExpr) bool {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Ready" && isChildContext(pass.TypesInfo.TypeOf(sel.X))
}

// ignoresReady reports whether a statement such as
//
//	if err := ctx.Ready(); err != nil { log.Println(err) }
//
// goes on after it.
func ignoresReady(pass *analysis.Pass, n *ast.IfStmt) bool {
	init, ok := n.Init.(*ast.AssignStmt)
	if !ok || init.Tok != token.DEFINE || len(init.Rhs) != 1 || n.Else != nil {
		return false
	}
	if call, ok := ast.Unparen(init.Rhs[0]).(*ast.CallExpr); !ok || !isReady(pass, call) {
		return false
	}
	if cond, ok := ast.Unparen(n.Cond).(*ast.BinaryExpr); !ok || cond.Op != token.NEQ {
		return false
	}
	return !contains(n.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ReturnStmt, *ast.BranchStmt, *ast.AssignStmt, *ast.SendStmt:
			return true
		case *ast.CallExpr:
			return endsFunction(pass, n)
		}
		return false
	})
}

// endsFunction reports whether a call may not return.
func endsFunction(pass *analysis.Pass, call *ast.CallExpr) bool {
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok && id.Name == "panic" {
		return true
	}
	return endsProcess(pass, call) || isCall(pass, call, "runtime", "Goexit") ||
		isCall(pass, call, "testing", "Fatal", "Fatalf", "FailNow", "Skip", "Skipf", "SkipNow")
}
