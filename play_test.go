package coppice_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/overlay"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
	"github.com/coppice-go/coppice/supervisor/observer"
	"github.com/coppice-go/coppice/supervisor/probe"
)

// A play is an example of a public package.
type play struct {
	*doc.Example
	name string // as child.ExampleRef
}

// plays returns the examples of all public packages, as pkg.go.dev finds them.
func plays(t *testing.T) (all []play) {
	t.Helper()
	listed, err := exec.Command("go", "list", "-json=Dir,ImportPath,Name,TestGoFiles,XTestGoFiles", "./...").Output()
	require.NoError(t, err)
	packages := json.NewDecoder(bytes.NewReader(listed))
	for {
		var pkg struct {
			Dir, ImportPath, Name     string
			TestGoFiles, XTestGoFiles []string
		}
		err := packages.Decode(&pkg)
		if err == io.EOF {
			return all
		}
		require.NoError(t, err)
		if pkg.Name == "main" || strings.Contains(pkg.ImportPath, "/internal/") {
			continue
		}
		var files []*ast.File
		for _, name := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
		for _, example := range doc.Examples(files...) {
			all = append(all, play{example, pkg.Name + ".Example" + example.Name})
		}
	}
}

// An example has a Play button on pkg.go.dev only if everything that it uses is in the
// standard library, in a public package, or in the same file.
func TestEveryExampleIsPlayable(t *testing.T) {
	all := plays(t)
	require.NotEmpty(t, all)
	for _, p := range all {
		if p.Play == nil {
			t.Errorf("%s uses something that another test file declares: inline it", p.name)
		}
	}
}

// All examples are linked into one program. Its argument says which one to run.
func TestEveryPlayedExamplePrintsItsOutput(t *testing.T) {
	files := map[string]string{}
	all := plays(t)
	all = slices.DeleteFunc(all, func(p play) bool { return p.Play == nil })
	var imports, cases strings.Builder
	for i, p := range all {
		pkg := fmt.Sprintf("play%d", i)
		p.Play.Name = ast.NewIdent(pkg)
		for _, decl := range p.Play.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "main" {
				f.Name = ast.NewIdent("Main")
			}
		}
		var text bytes.Buffer
		require.NoError(t, format.Node(&text, token.NewFileSet(), p.Play))
		files["internal/plays/"+pkg+"/main.go"] = text.String()
		fmt.Fprintf(&imports, "import %q\n", "github.com/coppice-go/coppice/internal/plays/"+pkg)
		fmt.Fprintf(&cases, "\tcase %q:\n\t\t%s.Main()\n", p.name, pkg)
	}
	files["internal/plays/main.go"] = fmt.Sprintf("package main\n\nimport \"os\"\n%s\nfunc main() {\n\tswitch os.Args[1] {\n%s\t}\n}\n", &imports, &cases)
	binary := filepath.Join(t.TempDir(), "plays.exe")
	overlay.Build(t, binary, files, "internal/plays")

	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			cmd := exec.Command(binary, p.name)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			require.NoError(t, err, "%s", &stderr)
			if p.Output == "" && !p.EmptyOutput {
				return
			}
			got := strings.TrimSuffix(string(out), "PASS\n") // the example may run a test
			if p.Unordered {
				require.ElementsMatch(t, lines(p.Output), lines(got))
				return
			}
			require.Equal(t, lines(p.Output), lines(got))
		})
	}
}

// lines returns the lines of an output, as go test compares it: without leading and
// trailing white space.
func lines(output string) []string { return strings.Split(strings.TrimSpace(output), "\n") }

func TestEveryFieldOfASpecIsInAnExample(t *testing.T) {
	used := map[string]bool{} // as child.Spec.Name
	note := func(typ ast.Expr, lit *ast.CompositeLit) {
		sel, ok := typ.(*ast.SelectorExpr)
		if !ok {
			return
		}
		pkg, _ := sel.X.(*ast.Ident)
		for _, elt := range lit.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok && pkg != nil {
				used[fmt.Sprintf("%s.%s.%s", pkg.Name, sel.Sel.Name, kv.Key)] = true
			}
		}
	}
	for _, p := range plays(t) {
		ast.Inspect(p.Code, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			note(lit.Type, lit)
			if list, ok := lit.Type.(*ast.ArrayType); ok { // the elements need not name their type
				for _, elt := range lit.Elts {
					if lit, ok := elt.(*ast.CompositeLit); ok && lit.Type == nil {
						note(list.Elt, lit)
					}
				}
			}
			return true
		})
	}
	for _, spec := range []reflect.Type{
		reflect.TypeFor[child.Spec](), reflect.TypeFor[supervisor.Spec](), reflect.TypeFor[httpserver.Spec](),
		reflect.TypeFor[gate.Spec](), reflect.TypeFor[sqlgate.Spec](),
		reflect.TypeFor[observer.Spec](), reflect.TypeFor[probe.Spec](), reflect.TypeFor[blackbox.Spec](),
	} {
		for field := range spec.NumField() {
			name := fmt.Sprintf("%v.%s", spec, spec.Field(field).Name)
			if !used[name] {
				t.Errorf("no example uses %s", name)
			}
		}
	}
}
