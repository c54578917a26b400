package probe_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/probe"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	quiet   = slog.New(slog.DiscardHandler)
	errAway = errors.New("connection refused")
)

const second = time.Second

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

var idle = testkit.Idle

// slow is a child that takes a while to start and to stop.
func slow(start, stop time.Duration) func(child.Context) error {
	return (&supervisortest.Child{ReadyAfter: start, StopAfter: stop}).Run
}

// serve starts a root in the background and returns the channel of its end.
func serve(t *testing.T, root *supervisor.Supervisor) <-chan error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- root.Serve(context.Background()) }()
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	synctest.Wait()
	return ended
}

// get returns the status and the lines of an answer.
func get(h http.Handler, url string) (int, []string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w.Code, strings.Split(strings.TrimSuffix(w.Body.String(), "\n"), "\n")
}

// codes returns the status of each probe.
func codes(h http.Handler) (live, ready, started int) {
	live, _ = get(h, "/livez")
	ready, _ = get(h, "/readyz")
	started, _ = get(h, "/startupz")
	return live, ready, started
}

func requireCodes(t *testing.T, h http.Handler, live, ready, started int) {
	t.Helper()
	l, r, s := codes(h)
	require.Equal(t, [3]int{live, ready, started}, [3]int{l, r, s})
}

func of(root *supervisor.Supervisor, optional ...string) http.Handler {
	return probe.New(probe.Spec{Root: root, Optional: optional})
}
