package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

var quiet = slog.New(slog.DiscardHandler)

var idle = testkit.Idle

// failsWith is a child that is well until it receives an error.
func failsWith(failing <-chan error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case err := <-failing:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// startTree starts a tree, and stops it when the test ends.
func startTree(t *testing.T, root *supervisor.Supervisor) {
	t.Helper()
	require.NoError(t, root.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, root.Stop(context.Background())) })
}

// serve shows a running tree at a URL, without a prefix.
func serve(t *testing.T, root *supervisor.Supervisor, spec observer.Spec) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	spec.Root, spec.Linger = root, 1
	server := httptest.NewServer(observer.New(ctx, spec))
	t.Cleanup(func() { cancel(); server.Close() })
	return server.URL + "/"
}

// anything permits every action.
func anything(*http.Request, observer.Action, string) bool { return true }

func TestEachCommandAgainstARealTree(t *testing.T) {
	failing := make(chan error, 1)
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
		{Name: "db", Run: idle},
		{Name: "api", Run: failsWith(failing), Backoff: child.Constant(time.Hour)},
		{Name: "jobs", Run: supervisor.New(supervisor.Spec{Strategy: strategy.Independent}).Run},
	}})
	startTree(t, root)
	url := serve(t, root, observer.Spec{Act: anything})

	ok := func(status int, args ...string) string {
		t.Helper()
		r := coppice(t, args...)
		require.Equal(t, status, r.status, "%v\n%s%s", args, r.out, r.err)
		return r.out
	}
	require.Regexp(t, `(?m)^shop: well`, ok(0, "tree", url))
	ok(0, "top", url)
	ok(0, "why", url, "db")
	require.Contains(t, ok(0, "explain", url), "  stop:  at most ")
	require.Contains(t, ok(0, "explain", url, "db"), "/shop/db: restarted always")
	require.Contains(t, ok(1, "explain", "-grace", "1s", url), "must take less than 1s: lower ")
	ok(0, "dump", url)
	ok(0, "events", url)
	ok(0, "version", url)
	require.Regexp(t, `^/shop/db: restarted`, ok(0, "restart", url, "db"))
	require.Regexp(t, `^/shop/db: stopped`, ok(0, "stop", url, "/shop/db"))
	require.Regexp(t, `^/shop/db: started`, ok(0, "start", url, "/shop/db"))
	require.Regexp(t, `^/shop/jobs: suspended`, ok(0, "suspend", url, "/shop/jobs"))
	require.Regexp(t, `^/shop/jobs: resumed`, ok(0, "resume", url, "/shop/jobs"))

	waiting := root.Watch(t.Context(), "api", supervisor.EventRestarting)
	failing <- errors.New("connection refused")
	<-waiting
	require.Regexp(t, `(?m)^├─ api +waiting to restart`, ok(1, "tree", "-trouble", url))
	require.Regexp(t, `connection refused`, ok(1, "top", url))
	require.Regexp(t, `(?m)^  \S+ +failed +/shop/api: connection refused`, ok(1, "why", url, "api"))
	require.Regexp(t, `(?m)^\S+ +failed +/shop/api: connection refused`, ok(0, "events", url, "-kind", "failed"))
	require.Regexp(t, `(?s)connection refused.*Children.*Events`, ok(1, "dump", url))
	ok(1, "why", url, "/shop/nobody")
	ok(3, "tree", url+"elsewhere/")
}

func TestActionsAreRefusedByAnObserverThatIsReadOnly(t *testing.T) {
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "db", Run: idle}}})
	startTree(t, root)
	url := serve(t, root, observer.Spec{})
	r := coppice(t, "restart", url, "/shop/db")
	require.Equal(t, 4, r.status)
	require.Contains(t, r.err, "read-only")

	url = serve(t, root, observer.Spec{Allow: func(*http.Request) bool { return false }})
	require.Equal(t, 4, coppice(t, "tree", url).status)
}

func TestAUnixSocket(t *testing.T) {
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "db", Run: idle}}})
	startTree(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	socket := filepath.Join(t.TempDir(), "shop.sock")
	ln, err := net.Listen("unix", socket)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, observer.Spec{Root: root, Linger: 1})))
	mux.Handle("/at/", http.StripPrefix("/at", observer.New(ctx, observer.Spec{Root: root, Linger: 1})))
	server := &http.Server{Handler: mux}
	done := make(chan error)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() { cancel(); server.Close(); <-done })
	for _, url := range []string{"unix:" + socket, "unix:" + socket + ":/debug/coppice/", "unix:" + socket + ":/at"} {
		r := coppice(t, "tree", url)
		require.Equal(t, 0, r.status, "%s: %s", url, r.err)
		require.True(t, strings.HasPrefix(r.out, "shop: well"))
	}
}

func TestWatchingAndFollowingARealTree(t *testing.T) {
	failing := make(chan error, 1)
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "api", Run: failsWith(failing), Backoff: child.Constant(time.Hour)}}})
	startTree(t, root)
	url := serve(t, root, observer.Spec{})
	target, err := parseTarget(url)
	require.NoError(t, err)
	c, err := newClient(target, nil, "", readTimeout)
	require.NoError(t, err)
	defer c.close()

	ctx, cancel := context.WithCancel(t.Context())
	states := make(chan view.State, 100)
	watched := make(chan error)
	go func() {
		watched <- c.pictures(ctx, "", func(p picture) {
			if p.lost == "" {
				states <- p.tree.State
			}
		})
	}()
	lines := make(chan string, 100)
	followed := make(chan int)
	go func() {
		followed <- run(ctx, []string{"events", "-f", "-kind", "failed", url}, strings.NewReader(""), written(lines), io.Discard)
	}()
	require.Equal(t, view.Well, <-states)
	failing <- errors.New("connection refused")
	require.Regexp(t, `^\S+  failed      /shop/api: connection refused`, <-lines)
	for state := range states {
		if state == view.Degraded {
			break
		}
	}
	cancel()
	require.NoError(t, <-watched)
	require.Equal(t, 0, <-followed)
}

// written is a writer that sends what is written to it.
type written chan string

func (w written) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}
