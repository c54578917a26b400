package httpserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

func TestReadyMeansThatConnectionsAreAccepted(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi"))})
	root := start(t, s, child.Spec{})
	addr, ok := s.Addr.Load()
	require.True(t, ok, "it is set by then")
	require.Equal(t, "hi", mustGet(t, client(t), "http://"+addr.String()))
	require.NoError(t, root.Stop(context.Background()))
	_, ok = s.Addr.Load()
	require.False(t, ok)
}

func TestARestartServesAgainWithAFreshServer(t *testing.T) {
	var servers atomic.Int64
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		servers.Add(1)
		return each(loopback, says("hi"))(ctx)
	}})
	root := start(t, s, child.Spec{})
	for range 3 {
		require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
		require.NoError(t, root.RestartChild(soon(t), "api"))
	}
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)), "the new address, if it is a new one")
	require.EqualValues(t, 4, servers.Load())
}

func TestRestartListensOnTheSameAddressAtOnce(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(freePort(t), says("hi"))})
	root := start(t, s, child.Spec{})
	c := client(t)
	before := url(t, s)
	for range 5 {
		require.Equal(t, "hi", mustGet(t, c, before))
		require.NoError(t, root.RestartChild(soon(t), "api"))
		require.Equal(t, before, url(t, s))
	}
}

// freePort returns an address that was free a moment ago.
func freePort(t *testing.T) string {
	ln, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func TestPortInUseIsRetriedUntilItIsFree(t *testing.T) {
	taken, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer taken.Close()
	s := httpserver.New(httpserver.Spec{Server: each(taken.Addr().String(), says("mine"))})
	root := launch(t, s, child.Spec{RetryStart: true})
	failed := events(t, root, supervisor.EventFailed)
	started := make(chan error, 1)
	go func() { started <- root.Start(soon(t)) }()
	for range 3 {
		e := next(t, failed)
		var op *net.OpError
		require.ErrorAs(t, e.Err, &op)
		require.Equal(t, "listen", op.Op)
	}
	require.NoError(t, taken.Close())
	require.NoError(t, next(t, started))
	require.Equal(t, "mine", mustGet(t, client(t), url(t, s)))
}

func TestPortInUseFailsAStartWithoutRetry(t *testing.T) {
	taken, err := net.Listen("tcp", loopback)
	require.NoError(t, err)
	defer taken.Close()
	s := httpserver.New(httpserver.Spec{Server: each(taken.Addr().String(), says("mine"))})
	err = launch(t, s, child.Spec{}).Start(soon(t))
	var failed *supervisor.ChildError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "/root/api", failed.Path)
}

func TestInvalidServersFail(t *testing.T) {
	same := &http.Server{Addr: loopback}
	for _, c := range []struct {
		name string
		spec httpserver.Spec
		runs int
		want string
	}{
		{"no factory", httpserver.Spec{}, 1, "Spec.Server is nil"},
		{"nil", httpserver.Spec{Server: func(child.Context) (*http.Server, error) { return nil, nil }}, 1, "returned nil"},
		{"error", httpserver.Spec{Server: func(child.Context) (*http.Server, error) { return nil, errBoom }}, 1, "boom"},
		{"panic", httpserver.Spec{Server: func(child.Context) (*http.Server, error) { panic("broken") }}, 1, "panic: broken"},
		{"the same twice", httpserver.Spec{Server: func(child.Context) (*http.Server, error) { return same, nil }}, 2, "needs a new one"},
		{"nil listener", httpserver.Spec{
			Server: each(loopback, nil),
			Listen: func(context.Context, string, string) (net.Listener, error) { return nil, nil },
		}, 1, "Spec.Listen returned nil"},
		{"unknown network", httpserver.Spec{Server: each(loopback, nil), Network: "carrier pigeon"}, 1, "unknown network"},
		{"no base context", httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
			return &http.Server{Addr: loopback, BaseContext: func(net.Listener) context.Context { return nil }}, nil
		}}, 0, "BaseContext returned a nil context"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := launch(t, httpserver.New(c.spec), child.Spec{})
			failed := events(t, root, supervisor.EventFailed)
			err := root.Start(soon(t))
			if c.runs == 2 {
				require.NoError(t, err)
				err = root.RestartChild(soon(t), "api")
			}
			if c.runs > 0 {
				require.ErrorContains(t, err, c.want)
			}
			require.ErrorContains(t, next(t, failed).Err, c.want)
		})
	}
}

// broken is a listener whose Accept fails when fail is closed.
type broken struct {
	net.Listener
	accepted <-chan net.Conn
	fail     <-chan struct{}
}

func (b broken) Accept() (net.Conn, error) {
	select { // a connection that came before the failure is accepted before it
	case conn := <-b.accepted:
		return conn, nil
	default:
	}
	select {
	case conn := <-b.accepted:
		return conn, nil
	case <-b.fail:
		return nil, errBoom
	}
}

func TestBrokenListenerIsAFailureAndLeaksNothing(t *testing.T) {
	fail, taken, ended, release := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	accepted := make(chan net.Conn)
	mux := http.NewServeMux()
	mux.Handle("/", says("hi"))
	mux.HandleFunc("/take", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			defer conn.Close()
		}
		close(taken)
		<-r.Context().Done()
		close(ended)
		<-release
	})
	broke := false
	s := httpserver.New(httpserver.Spec{
		Server: each(loopback, mux),
		Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, addr)
			if err != nil || broke {
				return ln, err
			}
			broke = true
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					accepted <- conn
				}
			}()
			return broken{ln, accepted, fail}, nil
		},
	})
	root := start(t, s, child.Spec{})
	failed := events(t, root, supervisor.EventFailed)
	unready := events(t, root, supervisor.EventUnready)
	ready := events(t, root, supervisor.EventReady)
	_, idle := dial(t, s)
	conn, _ := dial(t, s)
	_, err := conn.Write([]byte("GET /take HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	next(t, taken)
	close(fail)
	require.ErrorIs(t, next(t, unready).Err, errBoom)
	next(t, ended) // although its connection no longer belongs to the server
	_, err = idle.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, root.Health(), errBoom, "it waits for the handler")
	require.Empty(t, failed)
	close(release)
	require.ErrorIs(t, next(t, failed).Err, errBoom)
	next(t, ready)
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
}

func TestAHandlerThatDoesNotReturnDelaysTheRestartByTheStopTimeout(t *testing.T) {
	fail, came, release, left := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle("/", says("hi"))
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) {
		close(came)
		<-release
		close(left)
	})
	broke := false
	s := httpserver.New(httpserver.Spec{
		Server: func(ctx child.Context) (*http.Server, error) {
			srv, err := each(loopback, mux)(ctx)
			if !broke {
				broke = true
				srv.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
					select {
					case <-fail:
						panic(errBoom)
					default:
						return ctx
					}
				}
			}
			return srv, err
		},
	})
	root := start(t, s, child.Spec{StopTimeout: 100 * time.Millisecond})
	failed := events(t, root, supervisor.EventFailed, supervisor.EventUnready, supervisor.EventError, supervisor.EventReady)
	conn, _ := dial(t, s)
	_, err := io.WriteString(conn, "GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	next(t, came)
	close(fail)
	dial(t, s)
	e := next(t, failed)
	require.Equal(t, supervisor.EventUnready, e.Kind)
	require.ErrorContains(t, e.Err, "panicked")
	e = next(t, failed)
	require.Equal(t, supervisor.EventError, e.Kind)
	require.ErrorContains(t, e.Err, "handlers that still run 100ms after the server failed: 1")
	e = next(t, failed)
	require.Equal(t, supervisor.EventFailed, e.Kind)
	require.ErrorIs(t, e.Err, errBoom)
	require.Equal(t, supervisor.EventReady, next(t, failed).Kind)
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
	close(release)
	next(t, left)
}

func TestShutdownByOtherCodeIsNotAFailure(t *testing.T) {
	servers := make(chan *http.Server, 10)
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		srv, err := each(loopback, l)(ctx)
		servers <- srv
		return srv, err
	}})
	root := start(t, s, child.Spec{Restart: child.Transient})
	notified := events(t, root, supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventUnready)
	body := make(chan error, 1)
	at := url(t, s)
	go func() {
		_, err := get(client(t), at)
		body <- err
	}()
	next(t, l.came)
	shut := make(chan error, 1)
	go func() { shut <- next(t, servers).Shutdown(context.Background()) }()
	e := next(t, notified)
	require.Equal(t, supervisor.EventUnready, e.Kind, "while its requests end")
	require.ErrorIs(t, e.Err, http.ErrServerClosed)
	close(l.let)
	require.NoError(t, next(t, body))
	require.NoError(t, next(t, shut))
	e = next(t, notified)
	require.Equal(t, supervisor.EventCompleted, e.Kind)
	require.NoError(t, e.Err)
}

func TestRequestHasTheValuesOfTheChildsContext(t *testing.T) {
	type key struct{}
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		child.FromContext(r.Context()).OnError(errBoom)
		sup, _ := supervisor.FromContext(r.Context())
		_, _ = w.Write([]byte(child.FromContext(r.Context()).Path() + " of " + sup.Path() + ", " + r.Context().Value(key{}).(string)))
	}))})
	root := launch(t, s, child.Spec{})
	notified := events(t, root, supervisor.EventError)
	require.NoError(t, root.Start(context.WithValue(soon(t), key{}, "value")))
	require.Equal(t, "/root/api of /root, value", mustGet(t, client(t), url(t, s)))
	require.Equal(t, errBoom, next(t, notified).Err)
}

func TestBaseContextOfTheServerIsKept(t *testing.T) {
	type key struct{}
	s := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		srv, err := each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.Context().Value(key{}).(string)))
		}))(ctx)
		srv.BaseContext = func(net.Listener) context.Context {
			return context.WithValue(context.Background(), key{}, "own")
		}
		return srv, err
	}})
	start(t, s, child.Spec{})
	require.Equal(t, "own", mustGet(t, client(t), url(t, s)))
}

func TestPanicInAHandlerEndsOnlyItsRequest(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("handler is broken")
		}
	}))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	_, err := get(client(t), url(t, s)+"/panic")
	require.Error(t, err)
	require.Empty(t, mustGet(t, client(t), url(t, s)))
	st, _ := root.Lookup("api")
	require.Zero(t, st.Restarts)
	require.NoError(t, root.Stop(context.Background()))
}

// Tests of handlers may run a Server without a supervisor.
func TestRunWithoutASupervisor(t *testing.T) {
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi")), Drain: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(child.FromContext(ctx)) }()
	require.Equal(t, "hi", mustGet(t, client(t), url(t, s)))
	cancel()
	require.NoError(t, next(t, ended))
	require.ErrorContains(t, errors.Join(httpserver.New(httpserver.Spec{}).Run(child.FromContext(ctx))), "nil")
}
