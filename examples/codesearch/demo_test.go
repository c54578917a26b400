package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small demo: every kind of crash happens, and nothing is lost.
func TestDemo(t *testing.T) {
	root, _ := forest(t, 60)
	torn := false
	for seed := range uint64(3) {
		cfg := testConfig(t, root, newChaos())
		var out bytes.Buffer
		err := demo(soon(t), cfg, seed, 20, false, &out)
		require.NoError(t, err, out.String())
		require.Contains(t, out.String(), "stopped in this order: http, jobs, journal, debug")
		require.Contains(t, out.String(), "match the sequential pass")
		// Another crash of the journal may happen between the order and the next record.
		torn = torn || strings.Contains(out.String(), "ordered crash: torn write")
	}
	require.True(t, torn, "at least one write must be torn")
}

// If the journal is wrong, the demo reports it and fails.
func TestDemoReportsAWrongJournal(t *testing.T) {
	root, files := forest(t, 20)
	cfg := testConfig(t, root, newChaos())
	j, err := openJournal(cfg.journal, root)
	require.NoError(t, err)
	require.NoError(t, j.record([]source{
		{Path: files[0], Idents: map[string]int{"invented": 1}},
		{Path: "none.go"},
	}))
	require.NoError(t, j.close())

	var out bytes.Buffer
	err = demo(soon(t), cfg, 1, 0, false, &out)
	require.ErrorContains(t, err, "unexpected file: none.go")
	require.ErrorContains(t, err, "shared: missing in "+files[0])
	require.ErrorContains(t, err, "journal: ")
}

func TestRunRejectsInvalidArguments(t *testing.T) {
	for _, args := range [][]string{{"-workers", "0"}, {"-batch", "-1"}, {"surplus"}, {"-hold"}, {"-nonsense"}, {"-demo", "-root", "/does/not/exist"}} {
		var out bytes.Buffer
		require.Error(t, run(t.Context(), args, &out), fmt.Sprint(args))
	}
}

func TestEachTreeHasItsOwnJournal(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", os.Getenv("XDG_CACHE_HOME"))
	a, err := defaultJournal("/a")
	require.NoError(t, err)
	b, err := defaultJournal("/b")
	require.NoError(t, err)
	require.NotEqual(t, a, b)
}
