package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	for line, want := range map[string]string{
		"dance":                               `no command "dance": coppice help lists them`,
		"tree":                                "no URL: write coppice tree http://localhost:6060, or set COPPICE_URL",
		"tree localhost:6060":                 "no URL: write http://localhost:6060, or set COPPICE_URL",
		"tree localhost/p":                    "no URL: write http://localhost/p, or set COPPICE_URL",
		"tree http://a http://b":              "tree takes one URL",
		"tree http://a /x /y":                 `tree: unexpected argument "/y"`,
		"top http://a /x":                     `top: unexpected argument "/x"`,
		"why http://a":                        "why: no PATH. See coppice help why",
		"tree -wrong http://a":                "tree: flag provided but not defined: -wrong. See coppice help tree",
		"tree http://a -timeout 0":            "-timeout must be positive",
		"tree http://a -timeout x":            `tree: invalid value "x" for flag -timeout: parse error. See coppice help tree`,
		"watch http://a":                      "watch needs a terminal. In a script, use tree, or events -f",
		"watch -json http://a":                "watch: flag provided but not defined: -json. See coppice help watch",
		"version /x":                          `version: unexpected argument "/x"`,
		"blackbox":                            "blackbox: no DIR or FILE. See coppice help blackbox",
		"blackbox -n 0 /x":                    "-n must be at least 1",
		"top http://a -n 501":                 "-n must be between 0 and 500",
		"help tree top":                       "help takes one command",
		"help dance":                          `no command "dance": coppice help lists them`,
		"tree -cacert /nowhere/ca https://a":  "-cacert: open /nowhere/ca: no such file or directory",
		"tree -H Secret http://a":             `tree: invalid value "Secret" for flag -H: a header has the form "Name: value". See coppice help tree`,
		"tree -- -all http://a /shop/-x":      `tree: unexpected argument "/shop/-x"`,
		"restart http://a -run -1 /shop/db":   `restart: invalid value "-1" for flag -run: parse error. See coppice help restart`,
		"blackbox http://localhost:6060 /x":   `blackbox: unexpected argument "/x"`,
		"tree http://localhost:6060 -H @/no/": "tree: invalid value \"@/no/\" for flag -H: open /no/: no such file or directory. See coppice help tree",
	} {
		require.Equal(t, result{status: 2, err: "coppice: " + want + "\n"}, coppice(t, strings.Fields(line)...), line)
	}
}

func TestHelp(t *testing.T) {
	r := coppice(t)
	require.Equal(t, 2, r.status)
	golden(t, "help", r.err)
	for _, arg := range []string{"help", "-h", "--help", "-help"} {
		require.Equal(t, result{out: r.err}, coppice(t, arg))
	}
	for _, make := range commands {
		name := make().name
		r := coppice(t, "help", name)
		require.Equal(t, 0, r.status)
		golden(t, "help_"+name, r.out)
		require.Equal(t, r, coppice(t, name, "-h"))
		for line := range strings.Lines(r.out) {
			require.LessOrEqual(t, len(line), 101, "%s: %q", name, line)
		}
	}
}

func TestTheURLMayComeFromTheEnvironment(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	t.Setenv("COPPICE_URL", f.URL)
	require.Equal(t, 0, coppice(t, "tree").status)
	require.Equal(t, 0, coppice(t, "tree", "/shop/api").status)
	require.Equal(t, "/shop/api", f.queries("/tree.json")[1].Get("path"))
	require.Equal(t, 3, coppice(t, "tree", "http://127.0.0.1:1").status, "an argument comes first")
	require.NotContains(t, coppice(t, "version").out, "shop", "version asks no server unless it gets a URL as an argument")
}

func TestFlagsAndArgumentsInAnyOrder(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	for _, args := range [][]string{
		{"tree", "-json", f.URL, "/shop/api"}, {"tree", "/shop/api", f.URL, "-json"}, {"tree", f.URL, "-json", "--", "/shop/api"},
	} {
		r := coppice(t, args...)
		require.Equal(t, 0, r.status, r.err)
		require.True(t, strings.HasPrefix(r.out, "{"))
	}
	for _, q := range f.queries("/tree.json") {
		require.Equal(t, "/shop/api", q.Get("path"))
	}
}

func TestTheManualListsTheExitStatuses(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	help := coppice(t, "help").out
	for _, word := range []string{"0  well", "1  something is not well", "2  usage", "3  no answer", "4  refused"} {
		require.Contains(t, string(source), word)
		require.Contains(t, help, strings.Replace(word, "  ", " ", 1))
	}
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestOutputThatCannotBeWrittenIsAnError(t *testing.T) {
	f := newFake(t)
	f.answer("/tree.json", 200, well())
	var stderr bytes.Buffer
	require.Equal(t, 3, run(t.Context(), []string{"tree", f.URL}, strings.NewReader(""), full{}, &stderr))
	require.Equal(t, "coppice: cannot write: no space left on device\n", stderr.String())
}
