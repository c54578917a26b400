package httpserver_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestRequestsInFlightEndInPeace(t *testing.T) {
	const clients = 8
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Server: each(loopback, l)})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	at := url(t, s)
	bodies := make(chan string, clients)
	for range clients {
		go func() {
			body, err := get(client(t), at)
			if err != nil {
				body = err.Error()
			}
			bodies <- body
		}()
	}
	for range clients {
		next(t, l.came)
	}
	testkit.RequireStopWaits(soon(t), t, root, func() { close(l.let) })
	for range clients {
		require.Equal(t, "done", next(t, bodies))
	}
	_, err := get(client(t), at)
	require.Error(t, err, "the listener is closed")
}

func TestIdleKeepAliveConnectionDoesNotDelayTheStop(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi"))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	conn, r := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, _ := io.ReadAll(resp.Body)
	require.Equal(t, "hi", string(body))
	require.NoError(t, root.Stop(context.Background()))
	_, err = r.ReadByte()
	require.ErrorIs(t, err, io.EOF, "the server has closed it")
}

// A client that sends half a request, and one that reads no answer.
func TestHangingClientsAreCutOffInTime(t *testing.T) {
	t.Parallel()
	reading := make(chan struct{})
	writing := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		close(reading)
		_, _ = io.ReadAll(r.Body)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		close(writing)
		for chunk := make([]byte, 1<<16); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	s := httpserver.New(httpserver.Spec{Server: each(loopback, mux)})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	sender, _ := dial(t, s)
	_, err := io.WriteString(sender, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
	require.NoError(t, err)
	deaf, _ := dial(t, s)
	_, err = io.WriteString(deaf, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	silent, _ := dial(t, s) // sends nothing at all
	next(t, reading)
	next(t, writing)

	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	var cut *supervisor.StopError
	require.ErrorAs(t, root.Stop(context.Background()), &cut)
	require.Empty(t, cut.Abandoned, "it was not abandoned")
	require.Len(t, cut.Unclean, 1)
	e := next(t, stopped)
	require.Equal(t, supervisor.EventStopped, e.Kind)
	require.ErrorIs(t, e.Err, context.DeadlineExceeded)
	require.ErrorContains(t, e.Err, "cut off")
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestRequestContextIsCancelledWhenTheGraceEnds(t *testing.T) {
	t.Parallel()
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Server: each(loopback, l)})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, l.came)
	require.ErrorIs(t, root.Stop(context.Background()), context.DeadlineExceeded, "a request was cut off")
	select {
	case <-l.left:
	default:
		require.Fail(t, "Run returned before its handler")
	}
}

func TestRunWhoseHandlerDoesNotReturnIsAbandoned(t *testing.T) {
	t.Parallel()
	came, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(came)
		<-release
		close(left)
	}))})
	root := start(t, s, child.Spec{StopTimeout: 100 * time.Millisecond})
	late := events(t, root, supervisor.EventLateExit)
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	var stop *supervisor.StopError
	require.ErrorAs(t, root.Stop(context.Background()), &stop)
	require.Len(t, stop.Abandoned, 1)
	require.Equal(t, "/root/api", stop.Abandoned[0].Path)
	close(release)
	next(t, left)
	next(t, late)
}

// A hijacked connection no longer belongs to the server, but the run waits for its handler,
// and the context of the request is cancelled. The request counts as cut off, although
// Shutdown ignores it.
func TestRunWaitsForHandlersOfHijackedConnections(t *testing.T) {
	t.Parallel()
	came, left := make(chan struct{}), make(chan struct{})
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		close(came)
		<-r.Context().Done()
		close(left)
	}))})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	_ = root.Stop(context.Background())
	select {
	case <-left:
	default:
		require.Fail(t, "Run returned before its handler")
	}
	e := next(t, stopped)
	require.Equal(t, supervisor.EventStopped, e.Kind)
	require.ErrorIs(t, e.Err, context.DeadlineExceeded)
	require.ErrorContains(t, e.Err, "cut off")
}

// A context.Canceled would mean a clean stop.
func TestCutOffRequestsAreReportedHoweverTheGraceEnds(t *testing.T) {
	t.Parallel()
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		ctx.Grace() // it has no deadline yet, and will be cancelled
		return each(loopback, l)(ctx)
	}})
	root := start(t, s, child.Spec{StopTimeout: time.Second})
	stopped := events(t, root, supervisor.EventStopped, supervisor.EventAbandoned)
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, l.came)
	_ = root.Stop(context.Background())
	e := next(t, stopped)
	require.Equal(t, supervisor.EventStopped, e.Kind)
	require.ErrorIs(t, e.Err, context.DeadlineExceeded)
	require.NotErrorIs(t, e.Err, context.Canceled)
}

func TestStopBeforeServing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		cancel()
		return &http.Server{Addr: loopback}, nil
	}})
	root := launch(t, s, child.Spec{})
	require.NoError(t, root.Serve(ctx))
	_, ok := s.Addr.Load()
	require.False(t, ok)
}

func TestStopBetweenListenAndReadyClosesTheListener(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	var ln net.Listener
	s := httpserver.New(httpserver.Spec{
		Server: each(loopback, nil),
		Listen: func(ctx context.Context, network, address string) (_ net.Listener, err error) {
			ln, err = new(net.ListenConfig).Listen(ctx, network, address)
			cancel(errBoom)
			return ln, err
		},
	})
	require.ErrorIs(t, s.Run(child.FromContext(ctx)), errBoom)
	_, err := ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}
