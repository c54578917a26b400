package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
)

// record records a life in a directory, and returns its directory.
func record(t *testing.T, dir string) string {
	t.Helper()
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "db", Run: idle}}})
	stop := blackbox.Watch(root, blackbox.Spec{Dir: dir})
	require.NoError(t, root.Start(context.Background()))
	require.NoError(t, root.Stop(context.Background()))
	stop()
	lives, err := blackbox.Lives(dir)
	require.NoError(t, err)
	return lives[len(lives)-1].Dir
}

func TestBlackboxPrintsARecording(t *testing.T) {
	dir := t.TempDir()
	life := record(t, dir)
	for _, path := range []string{dir, life} {
		r := coppice(t, "blackbox", path)
		require.Equal(t, 0, r.status, r.err)
		require.Contains(t, r.out, "ready /shop/db")
		require.Contains(t, r.out, "the tree ended")
	}
	require.Equal(t, 1, strings.Count(coppice(t, "blackbox", dir, "-n", "1", "-json").out, `"path"`))
	require.Greater(t, strings.Count(coppice(t, "blackbox", dir, "-all", "-json").out, `"path"`), 3)
}

func TestBlackboxOfAProcessThatWasKilledHasStatusOne(t *testing.T) {
	dir := t.TempDir()
	life := record(t, dir)
	cutOff(t, life) // what a killed process leaves: no record of its end
	for _, path := range []string{dir, life} {
		r := coppice(t, "blackbox", path)
		require.Equal(t, 1, r.status, r.err)
		require.Empty(t, r.err)
		require.Contains(t, r.out, "killed")
	}
	record(t, dir)
	require.Equal(t, 0, coppice(t, "blackbox", dir).status, "the newest one is well")
	require.Equal(t, 1, coppice(t, "blackbox", life).status)
}

// cutOff removes the last records of a life.
func cutOff(t *testing.T, life string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(life, "events-*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files[0], text[:len(text)/2], 0o600))
}

func TestBlackboxOfNothing(t *testing.T) {
	r := coppice(t, "blackbox", filepath.Join(t.TempDir(), "none"))
	require.Equal(t, 3, r.status)
	require.Contains(t, r.err, "no such file")
	require.Equal(t, 3, coppice(t, "blackbox", t.TempDir()).status)
	require.Equal(t, 3, run(t.Context(), []string{"blackbox", t.TempDir()}, strings.NewReader(""), io.Discard, io.Discard))
}
