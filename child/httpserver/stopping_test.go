package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// stream is a handler that continues until the server stops or its client leaves.
func stream(came chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		came <- struct{}{}
		select {
		case <-httpserver.Stopping(r.Context()):
			_, _ = io.WriteString(w, "bye")
		case <-r.Context().Done():
		}
	}
}

func TestStreamEndsWhenTheChildIsAskedToStop(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, drain := range map[string]time.Duration{"at once": 0, "drained first": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			came := make(chan struct{}, 1)
			s := httpserver.New(httpserver.Spec{Server: each(loopback, stream(came)), Drain: drain})
			root := start(t, s, child.Spec{StopTimeout: child.Forever})
			body := make(chan string, 1)
			at := url(t, s)
			go func() { body <- getOrError(client(t), at) }()
			next(t, came)
			require.NoError(t, root.Stop(context.Background()), "with Forever it would never end")
			require.Equal(t, "bye", next(t, body))
		})
	}
	t.Run("with contexts of the server's own", func(t *testing.T) {
		came := make(chan struct{}, 1)
		s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
			srv, err := each(loopback, stream(came))(ctx)
			srv.BaseContext = func(net.Listener) context.Context { return context.Background() }
			srv.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, key{}, "own")
			}
			return srv, err
		}})
		root := start(t, s, child.Spec{StopTimeout: child.Forever})
		body := make(chan string, 1)
		at := url(t, s)
		go func() { body <- getOrError(client(t), at) }()
		next(t, came)
		require.NoError(t, root.Stop(context.Background()))
		require.Equal(t, "bye", next(t, body))
	})
}

func getOrError(c *http.Client, url string) string {
	body, err := get(c, url)
	if err != nil {
		return err.Error()
	}
	return body
}

func TestStreamEndsBeforeTheDrainIsOver(t *testing.T) {
	t.Parallel()
	came := make(chan struct{}, 2)
	s := httpserver.New(httpserver.Spec{Server: each(loopback, stream(came)), Drain: time.Hour})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	at := url(t, s)
	body := make(chan string, 1)
	go func() { body <- getOrError(client(t), at) }()
	next(t, came)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	require.Equal(t, "bye", next(t, body))
	require.Equal(t, "bye", getOrError(client(t), at), "a stream that begins now ends at once")
	select {
	case <-stopped:
		require.Fail(t, "it did not drain")
	default:
	}
	require.NoError(t, next(t, stopped))
}

func TestEachRunHasItsOwnStopping(t *testing.T) {
	came := make(chan struct{}, 1)
	s := httpserver.New(httpserver.Spec{Server: each(loopback, stream(came))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	for range 3 {
		at := url(t, s)
		body := make(chan string, 1)
		go func() { body <- getOrError(client(t), at) }()
		next(t, came) // it would not wait if the channel were that of the run before
		select {
		case text := <-body:
			require.Fail(t, "it has ended", text)
		default:
		}
		require.NoError(t, root.RestartChild(soon(t), "api"))
		require.Equal(t, "bye", next(t, body))
	}
}

func TestStreamEndsWhenOtherCodeShutsTheServerDown(t *testing.T) {
	came := make(chan struct{}, 1)
	servers := make(chan *http.Server, 10)
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		srv, err := each(loopback, stream(came))(ctx)
		servers <- srv
		return srv, err
	}})
	root := start(t, s, child.Spec{Restart: child.Transient})
	completed := events(t, root, supervisor.EventCompleted)
	body := make(chan string, 1)
	at := url(t, s)
	go func() { body <- getOrError(client(t), at) }()
	next(t, came)
	require.NoError(t, (<-servers).Shutdown(soon(t)))
	require.Equal(t, "bye", next(t, body))
	require.NoError(t, next(t, completed).Err)
}

// After a shutdown by other code, too, the requests end with the grace.
func TestGraceEndsRequestsAfterAShutdownByOtherCode(t *testing.T) {
	t.Parallel()
	came, left := make(chan struct{}), make(chan struct{})
	servers := make(chan *http.Server, 10)
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		srv, err := each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			close(came)
			<-r.Context().Done()
			close(left)
		}))(ctx)
		servers <- srv
		return srv, err
	}})
	root := start(t, s, child.Spec{StopTimeout: time.Second})
	unready := events(t, root, supervisor.EventUnready)
	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	require.NoError(t, (<-servers).Close())
	next(t, unready)
	_ = root.Stop(context.Background())
	next(t, left)
	require.Equal(t, supervisor.EventStopped, next(t, stopped).Kind)
}

// The handler of a hijacked connection waits for Stopping when the listener breaks.
func TestStoppingIsClosedWhenTheServerFails(t *testing.T) {
	came, notified, fail := make(chan struct{}), make(chan struct{}), make(chan struct{})
	accepted := make(chan net.Conn, 1)
	runs := 0
	s := httpserver.New(httpserver.Spec{
		Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			stopping := httpserver.Stopping(r.Context())
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			close(came)
			<-stopping
			close(notified)
		})),
		Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, addr)
			if runs++; runs > 1 {
				return ln, err
			}
			return broken{ln, accepted, fail}, err
		},
	})
	root := start(t, s, child.Spec{})
	failed := events(t, root, supervisor.EventFailed)
	ours, theirs := net.Pipe()
	defer ours.Close()
	accepted <- theirs
	_, err := io.WriteString(ours, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	close(fail)
	require.ErrorIs(t, next(t, failed).Err, errBoom)
	next(t, notified)
}

func TestStoppingWithoutAServerIsNil(t *testing.T) {
	require.Nil(t, httpserver.Stopping(httptest.NewRequest(http.MethodGet, "/", nil).Context()))
	var none context.Context
	require.Nil(t, httpserver.Stopping(none))
}

// ask sends a request on a keep-alive connection. It returns the body of the response and
// whether the connection is closed.
func ask(t *testing.T, conn net.Conn, r *bufio.Reader, header string) (body string, closed bool) {
	t.Helper()
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n"+header+"\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text), resp.Close
}

// Idle connections stay open until a response can tell the client to close them.
func TestWhileDrainingAConnectionIsClosedAfterItsNextResponse(t *testing.T) {
	t.Parallel()
	var upgrades atomic.Int64
	came, notified := make(chan struct{}), make(chan struct{})
	s := httpserver.New(httpserver.Spec{Drain: time.Hour, Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(came)
			<-httpserver.Stopping(r.Context())
			close(notified)
		}
		if r.Header.Get("Upgrade") != "" && w.Header().Get("Connection") == "" {
			upgrades.Add(1)
		}
		_, _ = io.WriteString(w, "hi")
	}))})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	stopping := events(t, root, supervisor.EventStopping)
	idle, r := dial(t, s)
	body, closed := ask(t, idle, r, "")
	require.Equal(t, "hi", body)
	require.False(t, closed)
	other, r2 := dial(t, s)
	_, closed = ask(t, other, r2, "")
	require.False(t, closed)
	waiting, _ := dial(t, s)
	_, err := io.WriteString(waiting, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)

	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	next(t, notified) // the event is emitted before the context is cancelled
	fresh, err := net.Dial("tcp", idle.RemoteAddr().String())
	require.NoError(t, err)
	defer fresh.Close()
	_, closed = ask(t, fresh, bufio.NewReader(fresh), "")
	require.True(t, closed, "a new connection is not kept either")
	body, closed = ask(t, idle, r, "")
	require.Equal(t, "hi", body)
	require.True(t, closed)
	_, err = r.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	_, closed = ask(t, other, r2, "Connection: Upgrade\r\nUpgrade: websocket\r\n")
	require.False(t, closed, "the response has the header of the upgrade")
	require.EqualValues(t, 1, upgrades.Load())
	require.NoError(t, next(t, stopped))
}

// A handler that hijacks its connection, as websockets do, closes it itself.
func TestHijackedConnectionEndsCleanlyOnStopping(t *testing.T) {
	came := make(chan struct{})
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		close(came)
		<-httpserver.Stopping(r.Context())
		_, _ = io.WriteString(conn, "bye")
	}))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	stopped := events(t, root, supervisor.EventStopped)
	conn, r := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	require.NoError(t, root.Stop(context.Background()))
	require.NoError(t, next(t, stopped).Err)
	text, err := io.ReadAll(r)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	require.Equal(t, "bye", string(text))
}
