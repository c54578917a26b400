package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/blackbox"
)

// hold starts the program with -demo -hold, and returns it when it holds, with what it has printed and the address of its
// page.
func hold(t *testing.T, journal string) (cmd *exec.Cmd, printed, page string) {
	t.Helper()
	root, _ := forest(t, 30)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd = exec.CommandContext(soon(t), self, "-demo", "-hold", "-root", root, "-journal", journal, "-crashes", "5", "-batch", "3")
	cmd.Env = append(os.Environ(), "CODESEARCH_MAIN=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		printed += lines.Text() + "\n"
		if m := regexp.MustCompile(`until Ctrl-C: (http\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			return cmd, printed, m[1]
		}
	}
	require.Fail(t, "it does not hold", "%v\n%s", cmd.Wait(), printed)
	return nil, "", ""
}

// restart restarts a child by the page, as soon as the tree is ready.
func restart(t *testing.T, page, path string) {
	t.Helper()
	for ready := 0; ready != http.StatusOK; { // ends with the program, if not before
		ready, _ = fetch(t, http.MethodGet, strings.Replace(page, "/debug/coppice/", "/readyz", 1), "")
	}
	_, text := fetch(t, http.MethodGet, page+"child?path="+path, "")
	run := regexp.MustCompile(`"run":(\d+)`).FindStringSubmatch(text)
	require.NotNil(t, run, text)
	status, text := fetch(t, http.MethodPost, page+"act", fmt.Sprintf(`{"path":%q,"action":"restart","run":%s}`, path, run[1]))
	require.Equal(t, http.StatusOK, status, text)
}

func TestHoldServesAfterTheCheckUntilASignal(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir := filepath.Join(t.TempDir(), "journal")
		cmd, printed, page := hold(t, dir)
		require.Contains(t, printed, "match the sequential pass")
		require.Contains(t, printed, "stopped in this order")
		for range 9 { // more often than the root has children
			restart(t, page, "/codesearch/http")
		}
		require.NoError(t, cmd.Process.Signal(sig))
		require.NoError(t, cmd.Wait(), "exit status 0")
		lives, err := blackbox.Lives(dir + ".blackbox")
		require.NoError(t, err)
		require.Len(t, lives, 1)
		require.Equal(t, blackbox.Clean, lives[0].End)
	}
}

func TestTheBlackBoxTellsOfAKilledDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	cmd, _, page := hold(t, dir)
	fetch(t, http.MethodGet, page, "") // it serves again
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	lives, err := blackbox.Lives(dir + ".blackbox")
	require.NoError(t, err)
	require.Len(t, lives, 1)
	require.Equal(t, blackbox.Killed, lives[0].End)
	events, err := lives[0].Events(-1)
	require.NoError(t, err)
	failed := 0
	for _, e := range events {
		if e.Kind == supervisor.EventFailed && strings.Contains(e.Err.Error(), "ordered crash") {
			failed++
		}
	}
	require.Positive(t, failed, "the crashes of the demo are recorded")
}
