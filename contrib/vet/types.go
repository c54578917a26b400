package vet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// isNamed reports whether t, or what t points to, is the named type of a package.
func isNamed(t types.Type, path, name string) bool {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, ok := t.(*types.Named)
	return ok && isObject(named.Obj(), path, name)
}

// isObject reports whether obj is the package-level object of that name.
func isObject(obj types.Object, path, name string) bool {
	return obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == path && obj.Name() == name
}

// isChildContext reports whether t is child.Context.
func isChildContext(t types.Type) bool {
	if _, ok := types.Unalias(t).(*types.Pointer); ok {
		return false
	}
	return isNamed(t, childPath, "Context")
}

// isAnyContext reports whether t is a context.Context or has more methods than that.
func isAnyContext(t types.Type) bool {
	if t == nil {
		return false
	}
	for _, name := range []string{"Deadline", "Done", "Err", "Value"} {
		if obj, _, _ := types.LookupFieldOrMethod(t, true, nil, name); obj == nil {
			return false
		} else if _, ok := obj.(*types.Func); !ok {
			return false
		}
	}
	return true
}

// callee returns the function or method that is called, if it is known.
func callee(pass *analysis.Pass, call *ast.CallExpr) *types.Func {
	f, _ := typeutil.Callee(pass.TypesInfo, call).(*types.Func)
	return f
}

// isCall reports whether call calls one of the functions, or of the methods, of a package.
func isCall(pass *analysis.Pass, call *ast.CallExpr, path string, names ...string) bool {
	f := callee(pass, call)
	if f == nil || f.Pkg() == nil || f.Pkg().Path() != path {
		return false
	}
	for _, name := range names {
		if f.Name() == name {
			return true
		}
	}
	return false
}

// isStandard reports whether a package belongs to the standard library.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// fieldOf returns the field f of an expression such as s.f, where s is the variable of.
func fieldOf(pass *analysis.Pass, e ast.Expr, of types.Object) *types.Var {
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok || of == nil {
		return nil
	}
	x, ok := ast.Unparen(sel.X).(*ast.Ident)
	if !ok || pass.TypesInfo.Uses[x] != of {
		return nil
	}
	field, _ := pass.TypesInfo.Uses[sel.Sel].(*types.Var)
	return field
}

// declarations returns the functions and methods that the package declares.
func declarations(pass *analysis.Pass) map[*types.Func]*ast.FuncDecl {
	decls := make(map[*types.Func]*ast.FuncDecl)
	for _, file := range pass.Files {
		for _, decl := range file.Decls {
			if decl, ok := decl.(*ast.FuncDecl); ok {
				if f, ok := pass.TypesInfo.Defs[decl.Name].(*types.Func); ok {
					decls[f] = decl
				}
			}
		}
	}
	return decls
}

// walk calls f for each node below root, in order. It does not go below a node for which f
// returns false.
func walk(root ast.Node, f func(ast.Node) bool) {
	ast.Inspect(root, func(n ast.Node) bool { return n != nil && f(n) })
}

// walkOwn is walk without function literals, which run at other times.
func walkOwn(root ast.Node, f func(ast.Node) bool) {
	walk(root, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok && n != root {
			return false
		}
		return f(n)
	})
}

// contains reports whether f holds for a node below root.
func contains(root ast.Node, f func(ast.Node) bool) (found bool) {
	walk(root, func(n ast.Node) bool {
		found = found || f(n)
		return !found
	})
	return found
}
