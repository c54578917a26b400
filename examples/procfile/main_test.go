//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProcfileRunsUnderSupervision(t *testing.T) {
	failed := filepath.Join(t.TempDir(), "failed")
	entries, err := parse(strings.NewReader(fmt.Sprintf(`
		# a comment
		web: echo port $PORT; trap 'echo bye; exit' TERM; sleep 1000 & wait
		worker: test -e %[1]s && { echo port $PORT; exec sleep 1000; }; touch %[1]s; echo broken >&2; exit 3
	`, failed)))
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	ctx, stop := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, entries, 5000, ln, write)
		write.Close()
	}()
	said, out := "", bufio.NewScanner(read)
	await := func(all ...string) {
		t.Helper()
		for _, text := range all {
			for !strings.Contains(said, text) {
				require.True(t, out.Scan(), "%q in\n%s", text, said)
				said += out.Text() + "\n"
			}
		}
	}
	await("the page: http://"+ln.Addr().String(), "web      | port 5000", "worker   | broken", "worker   | port 5100",
		"procfile | coppice: failed path=/procfile/worker err=sh: exit status 3")

	answer, err := http.Get("http://" + ln.Addr().String() + "/tree.txt")
	require.NoError(t, err)
	tree, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(tree), "web")
	http.DefaultClient.CloseIdleConnections()

	stop()
	await("web      | bye", "procfile | coppice: over path=/procfile")
	for out.Scan() {
	}
	require.NoError(t, <-ended)
}

func TestFaultsOfAProcfile(t *testing.T) {
	for text, fault := range map[string]string{
		"":                          "no process",
		"# nothing\n\n":             "no process",
		"web: ok\nno colon here":    "line 2 is not NAME: COMMAND",
		"web:":                      "line 1 is not NAME: COMMAND",
		"a/b: true":                 "line 1 is not NAME: COMMAND",
		strings.Repeat("x", 100000): "token too long",
	} {
		_, err := parse(strings.NewReader(text))
		require.ErrorContains(t, err, fault)
	}
}

// A name that occurs twice is a fault that the supervisor finds.
func TestANameTwice(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	err = run(context.Background(), []entry{{"web", "true"}, {"web", "true"}}, 5000, ln, io.Discard)
	require.ErrorContains(t, err, "web")
}

func TestEachProcessHasAColourInATerminal(t *testing.T) {
	var out strings.Builder
	c := newConsole(&out, []entry{{"a", ""}, {"b", ""}})
	c.colours = true
	for i := range 2 {
		slog.New(c.of(i)).Info("hi")
	}
	require.Contains(t, out.String(), "\x1b[36m")
	require.Contains(t, out.String(), "a        |\x1b[0m hi\n")
	require.Contains(t, out.String(), "\x1b[33m")
}
