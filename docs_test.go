package coppice_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
)

// guides are the pages that show code for users of something else.
var guides = []string{"from-go-service", "from-elixir", "coming-from"}

// givenToGuides declares what the statements in the guides use.
const givenToGuides = `
type service interface {
	Run(child.Context) error
	Serve(context.Context) error
}

var (
	ctx                          context.Context
	root                         *supervisor.Supervisor
	spec                         child.Spec
	svc1, svc2, feed, jobs       service
	mux                          http.Handler
	server                       http.Server
	ln                           net.Listener
	work, fetch, store           func(context.Context) error
	onEnd                        func(func(string, error)) func(child.Context, func(child.Context) error) error
	errDoNotRestart, errTerminateTree error
)
`

// guideImports has the packages that the guides can use, in addition to those of the README.
var guideImports = map[string]string{
	"adapt": "github.com/coppice-go/coppice/child/adapt", "httpserver": "github.com/coppice-go/coppice/child/httpserver",
	"supervisortest": "github.com/coppice-go/coppice/supervisortest", "services": "github.com/coppice-go/coppice/supervisor/services",
	"atomic": "sync/atomic", "sync": "sync", "http": "net/http", "net": "net", "os": "os", "signal": "os/signal",
	"testing": "testing", "tls": "crypto/tls", "observer": "github.com/coppice-go/coppice/supervisor/observer",
}

var (
	goBlock     = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")
	declaration = regexp.MustCompile(`(?m)^(?:func|type) `)
)

// guideProgram makes a Go file of a block, which is a whole file, declarations, or statements.
func guideProgram(block string) string {
	if strings.HasPrefix(block, "package ") {
		return block
	}
	body := block
	if !declaration.MatchString(block) {
		end := "return nil\n"
		if regexp.MustCompile(`\nreturn [^\n]*\n$`).MatchString(block) {
			end = ""
		}
		body = givenToGuides + "func _() error {\n" + block + end + "}\n"
	}
	head := "package snippet\n"
	for _, from := range []map[string]string{imports, guideImports} {
		for name, path := range from {
			if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(body) {
				head += fmt.Sprintf("import %q\n", path)
			}
		}
	}
	return head + body
}

// Programs that are shown with their output are run by docs_programs_test.go.
func TestEveryGoBlockOfTheDocsCompiles(t *testing.T) {
	files := map[string]string{}
	for _, guide := range guides {
		text, err := os.ReadFile("docs/" + guide + ".md")
		require.NoError(t, err)
		require.Regexp(t, goBlock, string(text))
		rest := shownProgram.ReplaceAllString(string(text), "")
		for i, m := range goBlock.FindAllStringSubmatch(rest, -1) {
			files[fmt.Sprintf("internal/%s%d/block.go", guide, i)] = guideProgram(m[1])
		}
	}
	overlay.Build(t, os.DevNull, files)
}

// A block marked as tested in a file must be the same there.
func TestEveryTestedBlockOfTheGuidesIsInItsTestFile(t *testing.T) {
	found := 0
	for _, guide := range guides {
		text, err := os.ReadFile("docs/" + guide + ".md")
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("(?ms)^<!-- tested in (\\S+) -->\n```go\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			tested, err := os.ReadFile(m[1])
			require.NoError(t, err)
			require.Contains(t, string(tested), m[2])
			found++
		}
	}
	require.Equal(t, 2, found)
}

// Every identifier of go-service must have a row, and the tests that the row names must exist.
func TestEveryGoServiceRowNamesTestsThatExist(t *testing.T) {
	tests := map[string]bool{}
	require.NoError(t, filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example|Benchmark)\w*)\(`).FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	}))
	text, err := os.ReadFile("docs/from-go-service.md")
	require.NoError(t, err)
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|(.*)\|(.*)\|(.*)\|$`).FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, m[1])
		names := regexp.MustCompile("`((?:Test|Fuzz|Example|Benchmark)\\w*)`").FindAllStringSubmatch(m[4], -1)
		for _, name := range names {
			require.True(t, tests[name[1]], "row %s: there is no %s", m[1], name[1])
		}
		if len(names) == 0 {
			require.Contains(t, []string{"doc above, One-shot signals", "doc: Makefile", "not of the public API"}, strings.TrimSpace(m[4]), "row %s", m[1])
		}
	}
	want := make([]string, 131)
	for i := range want {
		want[i] = fmt.Sprint(i + 1)
	}
	require.Equal(t, want, rows)
}
