package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIndexSearch(t *testing.T) {
	ix := newIndex()
	require.True(t, ix.add(source{Path: "b.go", Idents: map[string]int{"x": 1, "y": 2}}))
	require.True(t, ix.add(source{Path: "a.go", Idents: map[string]int{"x": 1}}))
	require.True(t, ix.add(source{Path: "c.go", Idents: map[string]int{"x": 7}, Broken: "no"}))
	require.True(t, ix.add(source{Path: "empty.go"}))

	require.Equal(t, []hit{{"c.go", 7}, {"a.go", 1}, {"b.go", 1}}, ix.search("x"))
	require.Equal(t, []hit{{"b.go", 2}}, ix.search("y"))
	require.Empty(t, ix.search("z"))
	require.Equal(t, []string{"x", "y"}, ix.names())
	require.Equal(t, stats{Files: 4, Broken: 1, Identifiers: 2, Postings: 4}, ix.stats())
	require.Equal(t, []string{"d.go"}, ix.missing([]string{"a.go", "d.go", "c.go"}))
}

func TestIndexAddsAFileOnce(t *testing.T) {
	ix := newIndex()
	require.True(t, ix.add(source{Path: "a.go", Idents: map[string]int{"x": 1}}))
	before := ix.stats()
	require.False(t, ix.add(source{Path: "a.go", Idents: map[string]int{"x": 1, "y": 1}}))
	require.Equal(t, before, ix.stats())
	require.Len(t, ix.search("x"), 1)
}

// plant writes files into a new directory.
func plant(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

func TestReadAndList(t *testing.T) {
	root := plant(t, map[string]string{
		"good.go":      "package good\n\nfunc f() { _ = f; g() }\n",
		"sub/half.go":  "package half\n\nvar kept = 1\n\nfunc {\n",
		"sub/empty.go": "",
		"sub/notes.md": "not Go",
	})
	files, err := list(root, func(err error) { t.Error(err) })
	require.NoError(t, err)
	require.Equal(t, []string{"good.go", "sub/empty.go", "sub/half.go"}, files)

	require.Equal(t, source{Path: "good.go", Idents: map[string]int{"good": 1, "f": 2, "g": 1}}, read(root, "good.go"))
	half := read(root, "sub/half.go")
	require.Contains(t, half.Broken, "sub/half.go:5")
	require.Equal(t, 1, half.Idents["kept"])
	require.NotEmpty(t, read(root, "sub/empty.go").Broken)
	require.NotEmpty(t, read(root, "sub/gone.go").Broken)

	_, err = list(filepath.Join(root, "nowhere"), func(error) {})
	require.Error(t, err)
}
