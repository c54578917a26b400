package vet

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// each runs on the packages below testdata, whose names are those of the analyzers. In
// bad.go an analyzer must find what the comments say; in good.go no analyzer may find
// anything. They share one load of all packages, which takes most of the time.
var each = &analysis.Analyzer{
	Name:     "each",
	Doc:      "run all analyzers",
	Requires: []*analysis.Analyzer{runs},
	Run: func(pass *analysis.Pass) (any, error) {
		for _, a := range Analyzers() {
			its := *pass
			its.Analyzer = a
			its.Report = func(d analysis.Diagnostic) {
				if a.Name == pass.Pkg.Name() || filepath.Base(pass.Fset.File(d.Pos).Name()) == "good.go" {
					pass.Report(d)
				}
			}
			if _, err := a.Run(&its); err != nil {
				return nil, err
			}
		}
		return nil, nil
	},
}

func TestAnalyzersFindTheMistakesAndNothingElse(t *testing.T) {
	var packages []string
	for _, a := range Analyzers() {
		packages = append(packages, "./testdata/"+a.Name)
	}
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	analysistest.Run(t, here, each, packages...)
}

func TestAnalyzersAreValid(t *testing.T) {
	require.NoError(t, analysis.Validate(Analyzers()))
	manual, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, a := range Analyzers() {
		require.Contains(t, string(manual), "//\t"+a.Name+" ")
		require.Contains(t, string(readme), "| `"+a.Name+"` |")
		require.FileExists(t, a.Name+".go")
	}
}

// The analyzers look for these by name.
func TestNamesExist(t *testing.T) {
	spec := child.Spec{Run: func(ctx child.Context) error { return ctx.Ready() }, Restart: child.Permanent}
	root := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	require.NotNil(t, spec.Run)
	require.NotNil(t, root.StartChild)
	require.NotNil(t, supervisortest.Run)
	require.NotNil(t, supervisortest.FaultTable)
	require.NotNil(t, child.Sleep)
	require.NotNil(t, child.Escalate)
	require.NotNil(t, new(child.Ref[int]).Get)
}

// load loads the packages of the main module that the patterns name, and runs all analyzers.
func load(t *testing.T, tests bool, patterns ...string) (found []string) {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	loaded, err := packages.Load(&packages.Config{
		Context: ctx,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedTypes |
			packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedModule | packages.NeedExportFile,
		Dir:   dir,
		Tests: tests,
	}, patterns...)
	require.NoError(t, err)
	require.NotEmpty(t, loaded)
	require.Zero(t, packages.PrintErrors(loaded))
	graph, err := checker.Analyze(Analyzers(), loaded, nil)
	require.NoError(t, err)
	seen := make(map[string]bool)
	for _, action := range graph.Roots {
		require.NoError(t, action.Err)
		for _, d := range action.Diagnostics {
			at := action.Package.Fset.Position(d.Pos)
			file, err := filepath.Rel(dir, at.Filename)
			require.NoError(t, err)
			line := filepath.ToSlash(file) + ":" + strings.TrimPrefix(at.String(), at.Filename+":") + ": " + action.Analyzer.Name + ": " + d.Message
			if !seen[line] {
				seen[line] = true
				found = append(found, line)
			}
		}
	}
	return found
}

// deliberate are the mistakes that examples show on purpose.
var deliberate = []string{
	"supervisor/example_child_test.go: ready: ", // Example_startTimeout: "forgot to call ctx.Ready"
}

// The tests of the repository break the contract on purpose. Its programs, its examples and
// its recipes do not.
func TestNoFalseAlarmInThisRepository(t *testing.T) {
	var found []string
	if testing.Short() {
		found = append(load(t, false, "./..."), load(t, true, "./examples/...")...)
	} else {
		found = load(t, true, "./...") // with the examples of packages, which are in their tests
	}
	shown := make(map[string]bool)
	for _, line := range found {
		file, message, _ := strings.Cut(line, ":")
		_, message, _ = strings.Cut(message, " ")
		line := file + ": " + message
		known := slices.IndexFunc(deliberate, func(start string) bool { return strings.HasPrefix(line, start) })
		isExample := strings.HasPrefix(path.Base(file), "example") || strings.HasPrefix(file, "examples/")
		switch {
		case known >= 0:
			shown[deliberate[known]] = true
		case isExample || !strings.HasSuffix(file, "_test.go"):
			t.Error(line)
		}
	}
	if !testing.Short() {
		require.Len(t, shown, len(deliberate), "what is not found any more does not belong there")
	}
}

func TestGoVetRunsTheCommand(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "coppice-vet")
	out, err := exec.Command("go", "build", "-o", tool, "./cmd/coppice-vet").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("go", "vet", "-vettool="+tool, "./testdata/exit").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "bad.go:17:3: log.Fatal ends the process and stops no other child")
	require.NotContains(t, string(out), "good.go")
	out, err = exec.Command("go", "vet", "-vettool="+tool, "-exit=false", "./testdata/exit").CombinedOutput()
	require.NoError(t, err, "%s", out)
}
