package vet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var blocking = &analysis.Analyzer{
	Name: "blocking",
	Doc: `find Runs that block and never look at ctx

Go cannot kill a goroutine. A Run that does not return when ctx is done is abandoned after its
stop timeout.`,
	URL:      manual,
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		for _, r := range runsOf(pass) {
			if r.looksAtEnd(pass) {
				continue
			}
			if at := r.blocks(pass); at != nil {
				pass.Reportf(at.Pos(), "this Run blocks here and never looks at ctx, so it cannot be stopped: return when ctx.Done() is closed")
			}
		}
		return nil, nil
	},
}

// reports are the methods of ctx that say nothing about its end.
var reports = map[string]bool{
	"Unready": true, "OnError": true, "Status": true, "Heartbeat": true, "Path": true, "Restarts": true, "Value": true,
}

// looksAtEnd reports whether the function does anything with ctx that may tell it to stop.
func (r *run) looksAtEnd(pass *analysis.Pass) (looks bool) {
	if r.ctx == nil {
		return false
	}
	harmless := make(map[*ast.Ident]bool)
	loops := 0
	var visit func(n ast.Node) bool
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			loops++
			ast.Inspect(n, func(inner ast.Node) bool { return inner == nil || inner == n || visit(inner) })
			loops--
			return false
		case *ast.CallExpr:
			name := r.method(pass, n)
			// Ready returns an error once the run is being stopped: a loop may poll it.
			if reports[name] || name == "Ready" && loops == 0 {
				harmless[ast.Unparen(ast.Unparen(n.Fun).(*ast.SelectorExpr).X).(*ast.Ident)] = true
			}
		case *ast.Ident:
			looks = looks || pass.TypesInfo.Uses[n] == r.ctx && !harmless[n]
		}
		return !looks
	}
	walk(r.body, visit)
	return looks
}

// blocks returns a statement that plainly blocks for long, or nil.
func (r *run) blocks(pass *analysis.Pass) (at ast.Node) {
	var visit func(n ast.Node, inLoop bool)
	visit = func(root ast.Node, inLoop bool) {
		walkOwn(root, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ForStmt:
				switch {
				case at != nil:
				case n.Cond == nil && !leaves(pass, n.Body):
					at = n
				default:
					visit(n.Body, n.Cond == nil)
				}
				return false
			case *ast.RangeStmt:
				if at == nil && (isTicks(pass, n.X) || r.isForeignChannel(pass, n.X)) {
					at = n
				}
			case *ast.SelectStmt:
				if at == nil && (len(n.Body.List) == 0 || inLoop && !hasDefault(n)) {
					at = n
				}
			case *ast.CallExpr:
				if at == nil && (isServing(pass, n) || inLoop && isCall(pass, n, "time", "Sleep") || inLoop && isAccept(pass, n)) {
					at = n
				}
			}
			return at == nil
		})
	}
	visit(r.body, false)
	return at
}

// leaves reports whether something in the body of a loop may leave it.
func leaves(pass *analysis.Pass, body *ast.BlockStmt) (leaves bool) {
	walkOwn(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ReturnStmt:
			leaves = true
		case *ast.BranchStmt:
			leaves = leaves || n.Tok != token.CONTINUE
		case *ast.CallExpr:
			leaves = leaves || endsFunction(pass, n)
		}
		return !leaves
	})
	return leaves
}

// isTicks reports whether e is the channel of a time.Ticker, or time.Tick.
func isTicks(pass *analysis.Pass, e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		return isCall(pass, e, "time", "Tick")
	case *ast.SelectorExpr:
		return e.Sel.Name == "C" && isNamed(pass.TypesInfo.TypeOf(e.X), "time", "Ticker")
	}
	return false
}

// isForeignChannel reports whether e is a channel that is not made in the function: nobody
// knows when it is closed.
func (r *run) isForeignChannel(pass *analysis.Pass, e ast.Expr) bool {
	t := pass.TypesInfo.TypeOf(e)
	if t == nil {
		return false
	}
	if _, ok := t.Underlying().(*types.Chan); !ok {
		return false
	}
	sel, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := ast.Unparen(sel.X).(*ast.Ident)
	return ok && r.recv != nil && pass.TypesInfo.Uses[x] == r.recv
}

func hasDefault(n *ast.SelectStmt) bool {
	for _, clause := range n.Body.List {
		if clause.(*ast.CommClause).Comm == nil {
			return true
		}
	}
	return false
}

// isServing reports whether a call serves until something closes the server.
func isServing(pass *analysis.Pass, call *ast.CallExpr) bool {
	return isCall(pass, call, "net/http", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS")
}

func isAccept(pass *analysis.Pass, call *ast.CallExpr) bool {
	return isCall(pass, call, "net", "Accept", "AcceptTCP", "AcceptUnix")
}
