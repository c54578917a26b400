//go:build unix

package coppice_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// configMap is a directory as the kubelet mounts it: its files are links over ..data.
type configMap struct {
	dir     string
	version string
}

// set replaces the file by one with these lines, as the kubelet does.
func (m *configMap) set(t *testing.T, lines ...string) {
	t.Helper()
	m.version += "v"
	require.NoError(t, os.Mkdir(filepath.Join(m.dir, ".."+m.version), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, ".."+m.version, "feeds"), []byte(strings.Join(lines, "\n")), 0o644))
	require.NoError(t, os.Symlink(".."+m.version, filepath.Join(m.dir, "..data_tmp")))
	require.NoError(t, os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
}

func TestTheProgramInTheGuideToChangesReloads(t *testing.T) {
	guide, err := os.ReadFile("docs/changing.md")
	require.NoError(t, err)
	top, err := os.Getwd()
	require.NoError(t, err)
	dir := t.TempDir()
	source, binary, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "reader"), filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(source, []byte(guideBlocks(t, string(guide), "go")[0]), 0o644))
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(top, "internal/reader/main.go"): source}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, replace, 0o644))
	goTool(t, ".", nil, "build", "-overlay", overlay, "-o", binary, "./internal/reader")

	m := &configMap{dir: filepath.Join(dir, "mounted")}
	require.NoError(t, os.Mkdir(m.dir, 0o755))
	require.NoError(t, os.Symlink("..data/feeds", filepath.Join(m.dir, "feeds")))
	m.set(t, "eu https://eu.example/1", "us https://us.example/1", "asia https://asia.example/1")
	path := filepath.Join(m.dir, "feeds")

	cmd := exec.Command(binary, "-config", path, "-poll", "10ms")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	logged, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	said, log := bufio.NewScanner(out), bufio.NewScanner(logged)
	reads := func(from *bufio.Scanner, lines ...string) {
		t.Helper()
		for _, line := range lines {
			require.True(t, from.Scan(), "the program ended before it printed %q", line)
			require.Equal(t, line, from.Text())
		}
	}
	logs := func(text string) {
		t.Helper()
		for log.Scan() {
			if strings.Contains(log.Text(), text) {
				return
			}
		}
		t.Fatalf("the program ended before it logged %q", text)
	}
	reads(said, "eu reads https://eu.example/1", "us reads https://us.example/1", "asia reads https://asia.example/1")
	logs("coppice: up path=/reader")

	m.set(t, "eu https://eu.example/1", "us https://us.example/2", "africa https://africa.example/1")
	reads(said, "asia stops", "us stops", "us reads https://us.example/2", "africa reads https://africa.example/1",
		"+ africa   ~ us   - asia   = 1 unchanged")
	logs(`coppice: applied path=/reader/feeds`)

	m.set(t, "eu http://eu.example/2", "us https://us.example/2", "africa https://africa.example/1")
	reads(said, "eu stops", "eu reads https://eu.example/1", "= 3 unchanged")
	logs(`/reader/feeds/eu: not ready with its new spec: no https: \"http://eu.example/2\"; it runs with its old one again`)

	m.set(t)
	reads(said, "= 0 unchanged")
	logs("the desired spec has no children")

	// The link stays, and the file changes: only SIGHUP says so.
	file, err := filepath.EvalSymlinks(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte("eu https://eu.example/1\nafrica https://africa.example/2\n"), 0o644))
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	reads(said, "us stops", "africa stops", "africa reads https://africa.example/2", "~ africa   - us   = 1 unchanged")

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	reads(said, "africa stops", "eu stops")
	for log.Scan() {
	}
	require.NoError(t, cmd.Wait(), "an ordered stop is not an error")
}
