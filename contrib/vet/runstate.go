package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var runState = &analysis.Analyzer{
	Name: "runstate",
	Doc: `find Runs that leave their receiver unusable for the next run

Every restart calls Run again, on the same receiver. A Run that closes a channel, a listener or
a server of its receiver must make it, too. Make it in Run, or close it where it is made. A
Run that the package declares as Temporary or Transient is not reported. A closed channel is
reported only if the package declares the child as Permanent, because jobs close channels.`,
	URL:      manual,
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		decls := declarations(pass)
		for _, r := range runsOf(pass) {
			if r.recv == nil || r.isTemporary {
				continue
			}
			made := r.made(pass, decls)
			walk(r.body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if field := r.closes(pass, call); field != nil && !made[field] {
					pass.Reportf(call.Pos(), "this Run closes %s.%s and does not make it again, so the next run finds it closed: "+
						"make it in Run, or close it where it is made", r.recv.Name(), field.Name())
				}
				return true
			})
		}
		return nil, nil
	},
}

// closable are the types of which a closed value is of no use, and which a job or a
// connection does not own.
var closable = map[string]bool{
	"net.Listener": true, "net.TCPListener": true, "net.UnixListener": true,
	"net/http.Server": true, "database/sql.DB": true, "time.Ticker": true,
}

// closes returns the field of the receiver that a call closes, such as close(s.done),
// s.listener.Close() or s.ticker.Stop().
func (r *run) closes(pass *analysis.Pass, call *ast.CallExpr) *types.Var {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		if _, ok := pass.TypesInfo.Uses[fun].(*types.Builtin); ok && fun.Name == "close" && r.isPermanent {
			return fieldOf(pass, call.Args[0], r.recv)
		}
	case *ast.SelectorExpr:
		field := fieldOf(pass, fun.X, r.recv)
		if field == nil {
			return nil
		}
		switch fun.Sel.Name {
		case "Close", "Shutdown", "Stop":
		default:
			return nil
		}
		t := types.Unalias(field.Type())
		if p, ok := t.(*types.Pointer); ok {
			t = types.Unalias(p.Elem())
		}
		if named, ok := t.(*types.Named); ok && named.Obj().Pkg() != nil &&
			closable[named.Obj().Pkg().Path()+"."+named.Obj().Name()] {
			return field
		}
	}
	return nil
}

// made returns the fields of the receiver that the function sets, itself or by methods that
// it calls. A field whose address is taken counts as set.
func (r *run) made(pass *analysis.Pass, decls map[*types.Func]*ast.FuncDecl) map[*types.Var]bool {
	made := make(map[*types.Var]bool)
	visited := make(map[*types.Func]bool)
	var visit func(body ast.Node, recv *types.Var)
	visit = func(body ast.Node, recv *types.Var) {
		walk(body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if field := fieldOf(pass, left, recv); field != nil {
						made[field] = true
					}
				}
			case *ast.UnaryExpr: // &s.field
				if field := fieldOf(pass, n.X, recv); field != nil {
					made[field] = true
				}
			case *ast.CallExpr:
				f := callee(pass, n)
				if f == nil || visited[f] {
					return true
				}
				sel, ok := ast.Unparen(n.Fun).(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := ast.Unparen(sel.X).(*ast.Ident); !ok || pass.TypesInfo.Uses[x] != recv {
					return true
				}
				visited[f] = true
				if decl := decls[f]; decl != nil && decl.Recv != nil && decl.Body != nil && len(decl.Recv.List[0].Names) == 1 {
					if its, ok := pass.TypesInfo.Defs[decl.Recv.List[0].Names[0]].(*types.Var); ok {
						visit(decl.Body, its)
					}
				}
			}
			return true
		})
	}
	visit(r.body, r.recv)
	return made
}
