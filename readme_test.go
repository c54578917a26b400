// Package coppice_test checks README.md, the guides in docs and the examples against the code.
package coppice_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/overlay"
)

// blocks returns the fenced blocks of README.md in the given language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	require.NotEmpty(t, all, "no block in %s", language)
	return all
}

func goTool(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "go %s\n%s", strings.Join(args, " "), out)
}

func TestTheProgramInTheReadmeIsTheQuickstart(t *testing.T) {
	program, err := os.ReadFile("examples/quickstart/main.go")
	require.NoError(t, err)
	require.Equal(t, string(program), blocks(t, "go")[0])
}

func TestTheQuickstartPrintsWhatIsWritten(t *testing.T) {
	before, after, found := strings.Cut(blocks(t, "text")[0], "^C\n")
	require.True(t, found)
	want := strings.Split(strings.TrimSuffix(before, "\n"), "\n")

	binary := filepath.Join(t.TempDir(), "quickstart")
	goTool(t, ".", nil, "build", "-o", binary, "./examples/quickstart")
	cmd := exec.Command(binary)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	log := bufio.NewScanner(stderr)
	var logged []string
	readLog := func(until string) {
		for log.Scan() {
			logged = append(logged, log.Text())
			if until != "" && strings.Contains(log.Text(), until) {
				return
			}
		}
	}
	lines := bufio.NewScanner(stdout)
	for _, line := range want {
		require.True(t, lines.Scan(), "the program ended before it printed %q", line)
		require.Equal(t, line, lines.Text())
	}
	readLog("coppice: ready path=/shop/api") // it is up, and not only about to be
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	var rest strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&rest, lines.Text())
	}
	readLog("")
	require.NoError(t, cmd.Wait(), "an ordered stop is not an error")
	require.Equal(t, after, rest.String())
	for _, line := range []string{
		"INFO coppice: up path=/shop children=2", `ERROR coppice: failed path=/shop/api err="connection lost" next="restart 1 at once"`,
		"INFO coppice: ready path=/shop/api restarts=1", "INFO coppice: closing path=/shop", "INFO coppice: over path=/shop",
	} {
		require.True(t, slices.ContainsFunc(logged, func(l string) bool { return strings.Contains(l, line) }), "%s\nin %q", line, logged)
	}
	require.Len(t, logged, 5)
}

// given declares what the statements in README.md use.
const given = `
var (
	ctx  context.Context
	root, jobs *supervisor.Supervisor
	db, feed, job child.Runnable
)
`

// imports has the packages that a snippet can use.
var imports = map[string]string{
	"child": "github.com/coppice-go/coppice/child", "strategy": "github.com/coppice-go/coppice/strategy",
	"supervisor": "github.com/coppice-go/coppice/supervisor",
	"context":    "context", "errors": "errors", "fmt": "fmt", "log": "log", "time": "time",
}

// program makes a Go file of a block, which is a whole file or statements.
func program(block string) string {
	if strings.HasPrefix(strings.TrimSpace(block), "package ") || strings.HasPrefix(block, "// ") {
		return block
	}
	body := given + "func _() {\n" + block + "\n"
	for _, name := range regexp.MustCompile(`(?m)^(\w+)(?:, \w+)? :=`).FindAllStringSubmatch(block, -1) {
		body += "_ = " + name[1] + "\n"
	}
	body += "}\n"
	head := "package snippet\n"
	for name, path := range imports {
		if regexp.MustCompile(`\b` + name + `\.`).MatchString(body) {
			head += fmt.Sprintf("import %q\n", path)
		}
	}
	return head + body
}

func TestEveryGoBlockOfTheReadmeCompiles(t *testing.T) {
	files := map[string]string{}
	for i, block := range blocks(t, "go") {
		files[fmt.Sprintf("internal/readme%d/block.go", i)] = program(block)
	}
	overlay.Build(t, os.DevNull, files)
}

func TestAnotherModuleCanUseCoppiceAsTheReadmeSays(t *testing.T) {
	top, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(top, filepath.Join(dir, "coppice")))
	mine := filepath.Join(dir, "mine")
	require.NoError(t, os.Mkdir(mine, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(mine, "main.go"), []byte(blocks(t, "go")[0]), 0o644))

	commands := strings.Split(strings.TrimSpace(blocks(t, "sh")[0]), "\n")
	require.Len(t, commands, 2)
	require.Equal(t, "go mod tidy", commands[1])
	offline := []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GONOSUMDB=*", "GONOSUMCHECK=1", "GOSUMDB=off", "GOWORK=off"}
	goTool(t, mine, offline, "mod", "init", "example.com/mine")
	goTool(t, mine, offline, strings.Fields(commands[0])[1:]...)
	// go mod tidy also needs the test dependencies of what is imported, so it might
	// need the network. Test its purpose instead: that the program builds.
	goTool(t, mine, offline, "build", "-o", os.DevNull, ".")
}

func TestTheTreeInTheReadmeIsWhatItsExamplePrints(t *testing.T) {
	example, err := os.ReadFile("supervisor/example_watch_test.go")
	require.NoError(t, err)
	drawn := strings.ReplaceAll(string(example), "\t// ", "")
	require.Contains(t, drawn, blocks(t, "text")[1])
}

func TestEveryNameInTheReadmeExists(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	checked := 0
	for _, m := range regexp.MustCompile("`\\*?((?:supervisor|child|strategy|supervisortest)\\.[A-Z][.\\w]*)").FindAllStringSubmatch(string(text), -1) {
		pkg, name, _ := strings.Cut(m[1], ".")
		goTool(t, ".", nil, "doc", "./"+pkg, name)
		checked++
	}
	require.Greater(t, checked, 10)
}

// The map in CONTRIBUTING.md must list every file that is not a test, and nothing else.
func TestTheMapListsEveryFile(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	onMap := map[string]bool{}
	for _, m := range regexp.MustCompile("`([\\w/]+\\.go)`").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], "/") && !strings.HasSuffix(m[1], "_test.go") {
			onMap[m[1]] = true
		}
	}
	for _, dir := range []string{"context", "child", "strategy", "internal/machine", "supervisor", "supervisor/observer", "child/gate"} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				require.Contains(t, onMap, file, "it is missing from the map in CONTRIBUTING.md")
				delete(onMap, file)
			}
		}
	}
	require.Empty(t, onMap, "the map in CONTRIBUTING.md lists files that do not exist")
}
