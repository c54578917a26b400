package coppice_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write llms.txt again, from the package texts and the recipes")

// recipes are the files of examples/recipes in the order of llms.txt.
var recipes = []struct{ file, title string }{
	{"worker_pool", "Worker pool"},
	{"connection_per_child", "A child for each connection"},
	{"session_per_user", "One session for each user"},
	{"results", "Work with results"},
	{"consumer_per_partition", "A consumer for each partition"},
	{"database", "A database that comes and goes"},
	{"http_health", "HTTP server with a readiness probe"},
	{"blocking_library", "Wrapping a library that blocks"},
	{"config_reload", "Reloading the configuration"},
	{"cron", "Work at an interval"},
	{"unit", "Unit tests"},
	{"chaos", "Chaos test"},
}

// others are the packages that llms.txt only names.
var others = []string{
	"child/httpserver", "child/process", "child/periodic", "child/task", "child/registry", "child/partition", "child/gate", "child/gate/sqlgate", "child/adapt", "supervisor/observer", "supervisor/probe", "supervisor/sdnotify", "supervisor/blackbox",
	"supervisor/services", "supervisortest", "supervisortest/chaos",
}

// llms.txt is what a language model, or a reader in a hurry, needs on one page.
func TestLLMsTextIsInStep(t *testing.T) {
	var page strings.Builder
	fmt.Fprintf(&page, "# Coppice\n\n> %s\n\n", synopsis(t, "supervisor"))
	page.WriteString("`go get github.com/coppice-go/coppice`, Go 1.25 or later. Import `child`, `supervisor` and `strategy` below it.\n" +
		"The manual is `go doc github.com/coppice-go/coppice/supervisor`. This page is its contract and tables, and one\n" +
		"whole program for each common task. All programs are tests of the repository.\n")
	for _, part := range []struct{ dir, title string }{
		{"child", "The contract"}, {"child", "What to use when"}, {"supervisor", "A program"}, {"supervisor", "Child specs"},
		{"supervisor", "Strategies"}, {"supervisor", "How a run ends"}, {"supervisor", "Starting"}, {"supervisor", "Stopping"},
		{"supervisor", "Changing"}, {"supervisor", "Watching"},
	} {
		fmt.Fprintf(&page, "\n## %s\n\n%s", part.title, section(t, part.dir, part.title))
	}
	page.WriteString("\n## Other packages\n\n")
	for _, dir := range others {
		fmt.Fprintf(&page, "- `%s`: %s\n", dir, synopsis(t, dir))
	}
	page.WriteString("\n## Recipes\n")
	files, err := filepath.Glob("examples/recipes/*_test.go")
	require.NoError(t, err)
	require.Len(t, files, len(recipes), "a recipe is not in the list of this test")
	for _, recipe := range recipes {
		text, err := os.ReadFile("examples/recipes/" + recipe.file + "_test.go")
		require.NoError(t, err)
		fmt.Fprintf(&page, "\n### %s\n\n```go\n%s```\n", recipe.title, text)
	}

	if *update {
		require.NoError(t, os.WriteFile("llms.txt", []byte(page.String()), 0o644))
	}
	have, err := os.ReadFile("llms.txt")
	require.NoError(t, err)
	require.Equal(t, page.String(), string(have), "llms.txt is out of step: make llms")
}

// packageDoc returns the parsed text of a package.
func packageDoc(t *testing.T, dir string) (*doc.Package, *comment.Doc) {
	t.Helper()
	fset := token.NewFileSet()
	paths, err := filepath.Glob(dir + "/*.go")
	require.NoError(t, err)
	var files []*ast.File
	for _, path := range paths {
		if !strings.HasSuffix(path, "_test.go") {
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			require.NoError(t, err)
			files = append(files, file)
		}
	}
	pkg, err := doc.NewFromFiles(fset, files, "github.com/coppice-go/coppice/"+dir)
	require.NoError(t, err)
	return pkg, pkg.Parser().Parse(pkg.Doc)
}

// synopsis returns the first sentence of a package text, without "Package supervisor".
func synopsis(t *testing.T, dir string) string {
	pkg, _ := packageDoc(t, dir)
	text := strings.TrimPrefix(pkg.Synopsis(pkg.Doc), "Package "+path.Base(dir)+" ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// section returns what stands under a heading of a package text, as Markdown.
func section(t *testing.T, dir, title string) string {
	t.Helper()
	pkg, text := packageDoc(t, dir)
	var found comment.Doc
	found.Links = text.Links
	inside := false
	for _, block := range text.Content {
		if heading, ok := block.(*comment.Heading); ok {
			name, _ := heading.Text[0].(comment.Plain)
			inside = string(name) == title
			continue
		}
		if inside {
			found.Content = append(found.Content, block)
		}
	}
	require.NotEmpty(t, found.Content, "the text of package %s has no heading %q", dir, title)
	for _, block := range found.Content {
		unlink(dir, block)
	}
	return string(pkg.Printer().Markdown(&found))
}

// unlink writes names out where pkg.go.dev would have a link: child.Plain.
func unlink(pkg string, block comment.Block) {
	switch b := block.(type) {
	case *comment.Paragraph:
		for i, text := range b.Text {
			if link, ok := text.(*comment.DocLink); ok {
				name := link.Name
				if link.Recv != "" {
					name = link.Recv + "." + name
				} else if link.ImportPath == "" {
					name = pkg + "." + name
				}
				b.Text[i] = comment.Plain(name)
			}
		}
	case *comment.List:
		for _, item := range b.Items {
			for _, block := range item.Content {
				unlink(pkg, block)
			}
		}
	}
}
