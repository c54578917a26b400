package vet

import (
	"go/ast"
	"go/types"
	"reflect"

	"golang.org/x/tools/go/analysis"
)

// A run is a function that is the Run of a child.
type run struct {
	key  any // its *types.Func or *ast.FuncLit
	body *ast.BlockStmt
	at   ast.Node   // where to report something about the whole function
	ctx  *types.Var // nil if the parameter has no name
	recv *types.Var // nil for a function without a named receiver

	isPermanent bool // a child.Spec of the package declares it, and lets it be restarted after nil
	isTemporary bool // a child.Spec of the package declares it with another Restart
}

// runs finds the Runs of a package.
var runs = &analysis.Analyzer{
	Name:       "coppiceruns",
	Doc:        "find the functions that are Runs of children",
	Run:        findRuns,
	ResultType: reflect.TypeFor[[]*run](),
}

func runsOf(pass *analysis.Pass) []*run { return pass.ResultOf[runs].([]*run) }

func findRuns(pass *analysis.Pass) (any, error) {
	f := &finder{pass: pass, permanent: make(map[any]bool), temporary: make(map[any]bool), values: make(map[types.Object]bool)}
	for _, file := range pass.Files {
		f.called = make(map[*ast.Ident]bool)
		walk(file, f.note)
		walk(file, f.noteValue)
	}
	for _, file := range pass.Files {
		walk(file, f.find)
	}
	return f.found, nil
}

type finder struct {
	pass   *analysis.Pass
	called map[*ast.Ident]bool   // names of functions that are called
	values map[types.Object]bool // functions that are used as values
	found  []*run

	permanent, temporary map[any]bool // functions and literals in specs, by their Restart
}

// note notes the names of calls, and the Runs of specs.
func (f *finder) note(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch fun := ast.Unparen(n.Fun).(type) {
		case *ast.Ident:
			f.called[fun] = true
		case *ast.SelectorExpr:
			f.called[fun.Sel] = true
		}
	case *ast.CompositeLit:
		f.noteSpec(n)
	}
	return true
}

// noteSpec notes the Run of a child.Spec. A Restart that is no constant may be anything.
func (f *finder) noteSpec(lit *ast.CompositeLit) {
	if !isNamed(f.pass.TypesInfo.TypeOf(lit), childPath, "Spec") {
		return
	}
	kind := f.permanent
	if restart := specField(lit, "Restart"); restart != nil && !f.isPermanent(restart) {
		kind = f.temporary
	}
	switch e := ast.Unparen(specField(lit, "Run")).(type) {
	case *ast.FuncLit:
		kind[e] = true
	case *ast.Ident:
		kind[f.pass.TypesInfo.Uses[e]] = true
	case *ast.SelectorExpr:
		kind[f.pass.TypesInfo.Uses[e.Sel]] = true
	}
}

func (f *finder) isPermanent(restart ast.Expr) bool {
	value := f.pass.TypesInfo.Types[restart].Value
	return value != nil && value.String() == "0" // the default
}

// specField returns the value of a field of a composite literal with names, or nil.
func specField(lit *ast.CompositeLit, name string) ast.Expr {
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
				return pair.Value
			}
		}
	}
	return nil
}

// noteValue notes the functions that are used as values.
func (f *finder) noteValue(n ast.Node) bool {
	if id, ok := n.(*ast.Ident); ok && !f.called[id] {
		if fn, ok := f.pass.TypesInfo.Uses[id].(*types.Func); ok {
			f.values[fn.Origin()] = true
		}
	}
	return true
}

func (f *finder) find(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		obj := f.pass.TypesInfo.Defs[n.Name]
		if n.Body == nil || obj == nil || !isRun(obj.Type()) {
			break
		}
		if n.Recv != nil && n.Name.Name == "Run" || f.values[obj] {
			r := f.newRun(obj, n.Name, n.Type, n.Body)
			if n.Recv != nil && len(n.Recv.List[0].Names) == 1 {
				r.recv, _ = f.pass.TypesInfo.Defs[n.Recv.List[0].Names[0]].(*types.Var)
			}
			f.found = append(f.found, r)
		}
	case *ast.FuncLit:
		if isRun(f.pass.TypesInfo.TypeOf(n)) {
			f.found = append(f.found, f.newRun(n, n.Type, n.Type, n.Body))
		}
	}
	return true
}

func (f *finder) newRun(key any, at ast.Node, t *ast.FuncType, body *ast.BlockStmt) *run {
	return &run{
		key: key, body: body, at: at, ctx: parameter(f.pass, t),
		isPermanent: f.permanent[key], isTemporary: f.temporary[key],
	}
}

// parameter returns the only parameter of a Run, or nil if it has no name.
func parameter(pass *analysis.Pass, t *ast.FuncType) *types.Var {
	if names := t.Params.List[0].Names; len(names) == 1 {
		v, _ := pass.TypesInfo.Defs[names[0]].(*types.Var)
		return v
	}
	return nil
}

// isRun reports whether t is func(child.Context) error.
func isRun(t types.Type) bool {
	sig, ok := t.(*types.Signature)
	return ok && sig.Params().Len() == 1 && !sig.Variadic() && isChildContext(sig.Params().At(0).Type()) &&
		sig.Results().Len() == 1 && types.Identical(sig.Results().At(0).Type(), types.Universe.Lookup("error").Type())
}

// method returns the name of the method if call is a method of ctx.
func (r *run) method(pass *analysis.Pass, call *ast.CallExpr) string {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || r.ctx == nil {
		return ""
	}
	if x, ok := ast.Unparen(sel.X).(*ast.Ident); ok && pass.TypesInfo.Uses[x] == r.ctx {
		return sel.Sel.Name
	}
	return ""
}
