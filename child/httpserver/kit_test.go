package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const loopback = "127.0.0.1:0"

var (
	errBoom    = errors.New("boom")
	events     = testkit.Events
	socketFile = testkit.SocketFile
)

// soon returns a context for things that must happen quickly.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// each returns a factory that makes a server at addr for each run.
func each(addr string, h http.Handler) func(child.Context) (*http.Server, error) {
	return func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: addr, Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}, nil
	}
}

func says(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// start runs a server as the child "api" of a root, with the given spec. It sets Name and
// Run.
func start(t *testing.T, s *httpserver.Server, c child.Spec) *supervisor.Supervisor {
	t.Helper()
	root := launch(t, s, c)
	require.NoError(t, root.Start(soon(t)))
	return root
}

func launch(t *testing.T, s *httpserver.Server, c child.Spec) *supervisor.Supervisor {
	c.Name, c.Run = "api", s.Run
	return testkit.Root(t, supervisor.Spec{Backoff: child.Constant(time.Millisecond), Children: []child.Spec{c}})
}

// url returns the URL of the server.
func url(t *testing.T, s *httpserver.Server) string {
	t.Helper()
	addr, err := s.Addr.Get(soon(t))
	require.NoError(t, err)
	return "http://" + addr.String()
}

// client makes a client whose connections are closed at the end of the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 5 * time.Second}
}

func get(c *http.Client, url string) (string, error) {
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func mustGet(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	body, err := get(c, url)
	require.NoError(t, err)
	return body
}

func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	return testkit.Next(soon(t), t, c)
}

// A latch is a handler that waits until let is closed or its request ends.
type latch struct {
	came, left chan struct{}
	let        chan struct{}
}

func newLatch() *latch {
	return &latch{make(chan struct{}, 100), make(chan struct{}, 100), make(chan struct{})}
}

func (l *latch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() { l.left <- struct{}{} }()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	l.came <- struct{}{}
	select {
	case <-l.let:
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
	}
}

// dial opens a TCP connection to the server.
func dial(t *testing.T, s *httpserver.Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	addr, err := s.Addr.Get(soon(t))
	require.NoError(t, err)
	conn, err := net.Dial(addr.Network(), addr.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn, bufio.NewReader(conn)
}
