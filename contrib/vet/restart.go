package vet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var restart = &analysis.Analyzer{
	Name: "restart",
	Doc: `find jobs that StartChild starts under an Independent supervisor without Restart

The default is child.Permanent: the child is restarted also when it returns nil. A job or a
connection should be child.Temporary or child.Transient. Set Restart to child.Permanent if
that is meant. Only a Run that plainly may return nil before it is stopped is reported.`,
	URL:      manual,
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		independent := independents(pass)
		for _, file := range pass.Files {
			for _, decl := range file.Decls {
				walk(decl, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok || !isCall(pass, call, supervisorPath, "StartChild") || len(call.Args) == 0 {
						return true
					}
					sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
					if !ok || !independent[variable(pass, sel.X)] {
						return true
					}
					for _, arg := range call.Args[1:] {
						lit, ok := literalOf(pass, decl, arg).(*ast.CompositeLit)
						if !ok || specField(lit, "Restart") != nil {
							continue
						}
						if r := runOf(pass, decl, specField(lit, "Run")); r != nil && r.endsByItself(pass) {
							pass.Reportf(arg.Pos(), "this child is Permanent, so it is restarted also when it returns nil: "+
								"set Restart, to child.Temporary for a job or a connection, or to child.Permanent if that is meant")
						}
					}
					return true
				})
			}
		}
		return nil, nil
	},
}

// independents returns the variables and fields that only ever hold Independent supervisors.
func independents(pass *analysis.Pass) map[types.Object]bool {
	found, other := make(map[types.Object]bool), make(map[types.Object]bool)
	note := func(left, right ast.Expr) {
		obj := variable(pass, left)
		switch {
		case obj == nil:
		case isIndependent(pass, right):
			found[obj] = true
		default:
			other[obj] = true
		}
	}
	for _, file := range pass.Files {
		walk(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if len(n.Lhs) == len(n.Rhs) {
						note(left, n.Rhs[i])
					} else if obj := variable(pass, left); obj != nil {
						other[obj] = true
					}
				}
			case *ast.ValueSpec:
				for i, value := range n.Values {
					if len(n.Names) == len(n.Values) {
						note(n.Names[i], value)
					}
				}
			case *ast.KeyValueExpr: // of a struct
				if key, ok := n.Key.(*ast.Ident); ok {
					note(key, n.Value)
				}
			case *ast.UnaryExpr: // &jobs
				if obj := variable(pass, n.X); obj != nil && n.Op.String() == "&" {
					other[obj] = true
				}
			}
			return true
		})
	}
	for obj := range other {
		delete(found, obj)
	}
	return found
}

// isIndependent reports whether e is supervisor.New with strategy.Independent.
func isIndependent(pass *analysis.Pass, e ast.Expr) bool {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok || !isCall(pass, call, supervisorPath, "New") || len(call.Args) != 1 {
		return false
	}
	lit, ok := ast.Unparen(call.Args[0]).(*ast.CompositeLit)
	if !ok {
		return false
	}
	sel, ok := ast.Unparen(specField(lit, "Strategy")).(*ast.SelectorExpr)
	return ok && isObject(pass.TypesInfo.Uses[sel.Sel], strategyPath, "Independent")
}

// variable returns the variable or the field that e names, or nil.
func variable(pass *analysis.Pass, e ast.Expr) types.Object {
	var id *ast.Ident
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = e
	case *ast.SelectorExpr:
		id = e.Sel
	default:
		return nil
	}
	if v, ok := pass.TypesInfo.ObjectOf(id).(*types.Var); ok {
		return v
	}
	return nil
}

// literalOf returns the composite or function literal that e is: e itself, or what the local
// variable e is set to, if it is set once and none of its fields is.
func literalOf(pass *analysis.Pass, scope ast.Node, e ast.Expr) ast.Expr {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return ast.Unparen(e)
	}
	obj := pass.TypesInfo.Uses[id]
	var value ast.Expr
	sets := 0
	walk(scope, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				switch left := ast.Unparen(left).(type) {
				case *ast.Ident:
					if pass.TypesInfo.ObjectOf(left) == obj {
						sets++
						if len(n.Lhs) == len(n.Rhs) {
							value = ast.Unparen(n.Rhs[i])
						}
					}
				case *ast.SelectorExpr: // spec.Restart = …
					if x, ok := ast.Unparen(left.X).(*ast.Ident); ok && pass.TypesInfo.Uses[x] == obj {
						sets += 2
					}
				}
			}
		case *ast.UnaryExpr: // &spec
			if x, ok := ast.Unparen(n.X).(*ast.Ident); ok && pass.TypesInfo.Uses[x] == obj {
				sets += 2
			}
		}
		return true
	})
	if sets != 1 {
		return e
	}
	return value
}

// runOf returns the function that is the Run of a spec, or that child.Plain makes one of. It
// returns nil if it is not known.
func runOf(pass *analysis.Pass, scope ast.Node, e ast.Expr) *run {
	if e == nil {
		return nil
	}
	var key any
	switch e := literalOf(pass, scope, e).(type) {
	case *ast.FuncLit:
		key = e
		if !isRun(pass.TypesInfo.TypeOf(e)) && len(e.Type.Params.List) == 1 { // of Plain
			return &run{key: e, body: e.Body, at: e.Type, ctx: parameter(pass, e.Type)}
		}
	case *ast.CallExpr:
		if isCall(pass, e, childPath, "Plain") && len(e.Args) == 1 {
			return runOf(pass, scope, e.Args[0])
		}
	case *ast.Ident:
		key = pass.TypesInfo.Uses[e]
	case *ast.SelectorExpr:
		key = pass.TypesInfo.Uses[e.Sel]
	}
	for _, r := range runsOf(pass) {
		if r.key == key {
			return r
		}
	}
	return nil
}

// endsByItself reports whether the function may return nil although it was not stopped.
func (r *run) endsByItself(pass *analysis.Pass) (ends bool) {
	if r.worksUntilStopped(pass) {
		return false
	}
	r.walkUnstopped(pass, r.body, func(n ast.Node) {
		if ret, ok := n.(*ast.ReturnStmt); ok && len(ret.Results) == 1 && pass.TypesInfo.Types[ret.Results[0]].IsNil() {
			ends = true
		}
	})
	return ends
}
