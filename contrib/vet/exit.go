package vet

import (
	"go/ast"

	"golang.org/x/tools/go/analysis"
)

var exit = &analysis.Analyzer{
	Name: "exit",
	Doc: `find log.Fatal and os.Exit in Runs

They end the process at once: no other child is stopped, and no deferred function runs. Return
child.Escalate(err) instead: the supervisor then gives up, and stops its children in order.
Functions that have a child.Context as a parameter are checked, too.`,
	URL: manual,
	Run: func(pass *analysis.Pass) (any, error) {
		for _, file := range pass.Files {
			walk(file, func(n ast.Node) bool {
				var t *ast.FuncType
				var body *ast.BlockStmt
				switch n := n.(type) {
				case *ast.FuncDecl:
					t, body = n.Type, n.Body
				case *ast.FuncLit:
					t, body = n.Type, n.Body
				}
				if body == nil || !takesChildContext(pass, t) {
					return true
				}
				walk(body, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok && endsProcess(pass, call) {
						f := callee(pass, call)
						pass.Reportf(call.Pos(), "%s.%s ends the process and stops no other child: return child.Escalate(err), or an error",
							f.Pkg().Name(), f.Name())
					}
					return true
				})
				return false // what is below has been checked
			})
		}
		return nil, nil
	},
}

func takesChildContext(pass *analysis.Pass, t *ast.FuncType) bool {
	for _, field := range t.Params.List {
		if isChildContext(pass.TypesInfo.TypeOf(field.Type)) {
			return true
		}
	}
	return false
}

// endsProcess reports whether a call ends the process.
func endsProcess(pass *analysis.Pass, call *ast.CallExpr) bool {
	return isCall(pass, call, "log", "Fatal", "Fatalf", "Fatalln") || isCall(pass, call, "os", "Exit") || isCall(pass, call, "syscall", "Exit")
}
