package coppice_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documentedByElixir has the functions and callbacks in the documentation of Elixir 1.19,
// by module.
var documentedByElixir = map[string]string{
	"Supervisor": `child_spec/2 count_children/1 delete_child/2 init/2 restart_child/2 start_child/2 start_link/2
		start_link/3 stop/3 terminate_child/2 which_children/1 c:init/1`,
	"DynamicSupervisor": `child_spec/1 count_children/1 init/1 start_child/2 start_link/1 start_link/3 stop/3
		terminate_child/2 which_children/1 c:init/1`,
	"PartitionSupervisor": `count_children/1 partitions/1 resize!/2 start_link/1 stop/3 which_children/1`,
	"Task.Supervisor": `async/3 async/5 async_nolink/3 async_nolink/5 async_stream/4 async_stream/6
		async_stream_nolink/4 async_stream_nolink/6 children/1 start_child/3 start_child/5 start_link/1
		terminate_child/2`,
	"Registry": `child_spec/1 count/1 count_match/4 count_select/2 delete_meta/2 dispatch/4 keys/2 lock/3 lookup/2
		match/4 meta/2 put_meta/3 register/3 select/2 start_link/1 unregister/2 unregister_match/4 update_value/3
		values/3`,
	"Agent": `cast/2 cast/4 child_spec/1 get/3 get/5 get_and_update/3 get_and_update/5 start/2 start/4 start_link/2
		start_link/4 stop/3 update/3 update/5`,
	"GenServer": `abcast/3 call/3 cast/2 multi_call/4 reply/2 start/3 start_link/3 stop/3 whereis/1 c:code_change/3
		c:format_status/1 c:format_status/2 c:handle_call/3 c:handle_cast/2 c:handle_continue/2 c:handle_info/2
		c:init/1 c:terminate/2`,
}

func TestEachDocumentedFunctionOfElixirHasAMark(t *testing.T) {
	text, err := os.ReadFile("docs/from-elixir.md")
	require.NoError(t, err)
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		sections[title] = body
	}
	for module, functions := range documentedByElixir {
		var marked []string
		for _, table := range tables(sections[module]) {
			for _, row := range table[1:] {
				require.Len(t, row, 3, "%s: %v", module, row)
				require.Contains(t, []string{"in Coppice", "not needed", "missing"}, row[1], "%s: %v", module, row)
				require.NotEmpty(t, row[2], "%s: %v", module, row)
				for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[0], -1) {
					marked = append(marked, m[1])
				}
			}
		}
		require.ElementsMatch(t, strings.Fields(functions), marked, module)
	}
}

// exported returns the exported names of the public packages, such as child.Spec and
// child.Spec.Run.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	note := func(parts ...string) { names[strings.Join(parts, ".")] = true }
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case "internal", "testdata", "bench", "examples", "context": // on the page, context is that of the standard library
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := file.Name.Name
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv == nil {
					note(pkg, decl.Name.Name)
					continue
				}
				note(pkg, receiver(decl.Recv.List[0].Type), decl.Name.Name)
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							note(pkg, name.Name)
						}
					case *ast.TypeSpec:
						note(pkg, spec.Name.Name)
						var members *ast.FieldList
						switch typ := spec.Type.(type) {
						case *ast.StructType:
							members = typ.Fields
						case *ast.InterfaceType:
							members = typ.Methods
						default:
							continue
						}
						for _, member := range members.List {
							for _, name := range member.Names {
								note(pkg, spec.Name.Name, name.Name)
							}
						}
					}
				}
			}
		}
		return nil
	}))
	return names
}

// receiver returns the name of the type of a method.
func receiver(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return receiver(typ.X)
	case *ast.IndexExpr:
		return receiver(typ.X)
	case *ast.IndexListExpr:
		return receiver(typ.X)
	case *ast.Ident:
		return typ.Name
	}
	return ""
}

// notOfCoppice has what else stands before a dot in the tables: packages of the standard
// library, and values.
var notOfCoppice = map[string]bool{
	"context": true, "signal": true, "sync": true, "time": true, "ctx": true, "Backoff": true, "Spec": true,
}

// Names without a package are methods of Supervisor in from-elixir, as that page says.
func TestEveryNameInTheTablesOfTheGuidesExists(t *testing.T) {
	names := exported(t)
	for guide, atLeast := range map[string]int{"from-elixir": 60, "coming-from": 30} {
		text, err := os.ReadFile("docs/" + guide + ".md")
		require.NoError(t, err)
		checked := 0
		check := func(name string) {
			checked++
			if !names[name] {
				t.Errorf("docs/%s.md: there is no %s", guide, name)
			}
		}
		for _, table := range tables(string(text)) {
			for _, row := range table[1:] {
				here := row[len(row)-1]
				for _, m := range regexp.MustCompile("`\\*?(\\w+)(\\.[A-Z]\\w*(?:\\.[A-Z]\\w*)?)").FindAllStringSubmatch(here, -1) {
					if !notOfCoppice[m[1]] {
						check(m[1] + m[2])
					}
				}
				if guide != "from-elixir" {
					continue
				}
				for _, m := range regexp.MustCompile("`([A-Z]\\w+)[`(]").FindAllStringSubmatch(here, -1) {
					check("supervisor.Supervisor." + m[1])
				}
			}
		}
		require.Greater(t, checked, atLeast, guide)
	}
}
