package httpserver_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// A factory makes the http.Server of a run.
type factory = func(child.Context) (*http.Server, error)

// watched makes the servers of a factory report the states of their connections.
func watched(make factory, states chan<- http.ConnState) factory {
	return func(ctx child.Context) (*http.Server, error) {
		srv, err := make(ctx)
		srv.ConnState = func(_ net.Conn, state http.ConnState) { states <- state }
		return srv, err
	}
}

func TestSilentConnectionDoesNotDelayTheStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server factory
		says   string
		drain  time.Duration
	}{
		"nothing":             {server: each(loopback, says("hi"))},
		"nothing, draining":   {server: each(loopback, says("hi")), drain: time.Millisecond},
		"half a header":       {server: each(loopback, says("hi")), says: "GET / HTTP/1.1\r\nHo"},
		"no handshake":        {server: eachTLS(t, loopback, says("hi"))},
		"half a handshake":    {server: eachTLS(t, loopback, says("hi")), says: "\x16\x03\x01\x00\xff"},
		"half a preface of 2": {server: unencryptedHTTP2(each(loopback, says("hi"))), says: "PRI * HTT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states := make(chan http.ConnState, 10)
			s := httpserver.New(httpserver.Spec{Server: watched(c.server, states), Drain: c.drain})
			root := start(t, s, child.Spec{StopTimeout: 4 * time.Second}) // it took nine tenths of that
			stopped := events(t, root, supervisor.EventStopped)
			conn, r := dial(t, s)
			_, err := io.WriteString(conn, c.says)
			require.NoError(t, err)
			require.Equal(t, http.StateNew, next(t, states))
			require.NoError(t, root.Stop(context.Background()))
			require.NoError(t, next(t, stopped).Err, "no request was cut off")
			for next(t, states) != http.StateClosed { // half a header counts as active then
			}
			_, err = r.ReadByte()
			require.Error(t, err)
		})
	}
}

// The connection has finished its handshake and not sent a request.
func TestSilentTLSConnectionDoesNotDelayTheStop(t *testing.T) {
	t.Parallel()
	for _, proto := range []string{"http/1.1", "h2"} {
		s := httpserver.New(httpserver.Spec{Server: eachTLS(t, loopback, says("hi"))})
		root := start(t, s, child.Spec{StopTimeout: 4 * time.Second})
		stopped := events(t, root, supervisor.EventStopped)
		conn, _ := dial(t, s)
		_, roots := certificate()
		client := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", NextProtos: []string{proto}})
		require.NoError(t, client.HandshakeContext(soon(t)))
		require.Equal(t, proto, client.ConnectionState().NegotiatedProtocol)
		require.NoError(t, root.Stop(context.Background()))
		require.NoError(t, next(t, stopped).Err, proto)
	}
}

func TestManySilentConnectionsDoNotDelayTheStop(t *testing.T) {
	t.Parallel()
	const many = 500
	states := make(chan http.ConnState, 2*many)
	s := httpserver.New(httpserver.Spec{Server: watched(each(loopback, says("hi")), states)})
	root := start(t, s, child.Spec{StopTimeout: 20 * time.Second})
	stopped := events(t, root, supervisor.EventStopped)
	for range many {
		dial(t, s)
		require.Equal(t, http.StateNew, next(t, states))
	}
	require.NoError(t, root.Stop(context.Background()))
	require.NoError(t, next(t, stopped).Err)
	for range many {
		require.Equal(t, http.StateClosed, next(t, states))
	}
}

// Connections that are opened while the server stops are served or closed.
func TestConnectionsOpenedAsTheStopBeginsDoNotDelayIt(t *testing.T) {
	t.Parallel()
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi"))})
	root := start(t, s, child.Spec{StopTimeout: 4 * time.Second})
	stopped := events(t, root, supervisor.EventStopped)
	addr, _ := s.Addr.Load()
	came, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := net.Dial(addr.Network(), addr.String())
			if err != nil {
				return // the listener is closed
			}
			defer conn.Close()
			select {
			case came <- struct{}{}:
			default:
			}
		}
	}()
	next(t, came)
	require.NoError(t, root.Stop(context.Background()))
	require.NoError(t, next(t, stopped).Err)
	next(t, done)
}

// A connection whose request is being handled is not silent, whatever the protocol.
func TestUnencryptedHTTP2RequestIsServedDuringAStop(t *testing.T) {
	l := newLatch()
	s := httpserver.New(httpserver.Spec{Server: unencryptedHTTP2(each(loopback, l))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	c := client(t)
	c.Transport.(*http.Transport).Protocols = new(http.Protocols)
	c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	at := url(t, s)
	body := make(chan string, 1)
	go func() {
		text, err := get(c, at)
		if err != nil {
			text = err.Error()
		}
		body <- text
	}()
	next(t, l.came)
	stopping := events(t, root, supervisor.EventStopping)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	close(l.let)
	require.Equal(t, "done", next(t, body))
	c.CloseIdleConnections()
	require.NoError(t, next(t, stopped))
}

func unencryptedHTTP2(make factory) factory {
	return func(ctx child.Context) (*http.Server, error) {
		srv, err := make(ctx)
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
		return srv, err
	}
}

// While draining, the server still serves connections that have not sent a request.
func TestSilentConnectionIsServedWhileDraining(t *testing.T) {
	t.Parallel()
	s := httpserver.New(httpserver.Spec{Server: each(loopback, says("hi")), Drain: time.Hour})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	stopping := events(t, root, supervisor.EventStopping)
	conn, r := dial(t, s)
	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, stopping)
	_, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Contains(t, string(text), "hi")
	require.NoError(t, next(t, stopped))
}

// closing reports that its listener is closed, as Serve does when it returns.
type closing struct {
	net.Listener
	closed func()
}

func (c closing) Close() error {
	c.closed()
	return c.Listener.Close()
}

// In this case Serve returns before Shutdown begins.
func TestSilentConnectionIsServedWhileDrainingAfterTheListenerBroke(t *testing.T) {
	t.Parallel()
	accepted, fail := make(chan net.Conn, 2), make(chan struct{})
	notified, served := make(chan struct{}), make(chan struct{})
	s := httpserver.New(httpserver.Spec{
		Drain: time.Hour,
		Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				_ = http.NewResponseController(w).Flush()
				<-httpserver.Stopping(r.Context())
				close(notified)
			}
			_, _ = io.WriteString(w, "hi")
		})),
		Listen: func(ctx context.Context, network, addr string) (net.Listener, error) {
			ln, err := new(net.ListenConfig).Listen(ctx, network, addr)
			return closing{broken{ln, accepted, fail}, sync.OnceFunc(func() { close(served) })}, err
		},
	})
	root := start(t, s, child.Spec{StopTimeout: 2 * time.Second})
	waits, waiting := net.Pipe()
	defer waits.Close()
	accepted <- waiting
	_, err := io.WriteString(waits, "GET /wait HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	_, err = waits.Read(make([]byte, 1))
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, waits) }()
	ours, silent := net.Pipe()
	defer ours.Close()
	require.NoError(t, ours.SetDeadline(time.Now().Add(time.Minute))) // to fail, and not to hang
	accepted <- silent

	stopped := make(chan error, 1)
	go func() { stopped <- root.Stop(context.Background()) }()
	next(t, notified)
	close(fail)
	next(t, served)
	for _, c := range []byte("GET / HTTP/1.0\r\n\r\n") { // byte by byte, to be slow
		_, err = ours.Write([]byte{c})
		require.NoError(t, err)
	}
	text, err := io.ReadAll(ours)
	require.NoError(t, err)
	require.Contains(t, string(text), "hi")
	require.NoError(t, next(t, stopped))
}

// If a handler was called, its client receives the response, whenever the stop begins.
func TestFirstRequestOfAConnectionIsAnsweredDuringAStop(t *testing.T) {
	t.Parallel()
	const clients = 4
	var begun, answered atomic.Int64
	first := make(chan struct{}, 1000)
	s := httpserver.New(httpserver.Spec{Server: each(loopback, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun.Add(1)
		_, _ = io.WriteString(w, "hi")
	}))})
	root := start(t, s, child.Spec{StopTimeout: child.Forever})
	addr, _ := s.Addr.Load()
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for {
				conn, err := net.Dial(addr.Network(), addr.String())
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
				text, _ := io.ReadAll(conn)
				_ = conn.Close()
				if !bytes.HasSuffix(text, []byte("hi")) {
					continue
				}
				answered.Add(1)
				select {
				case first <- struct{}{}:
				default:
				}
			}
		})
	}
	next(t, first)
	require.NoError(t, root.Stop(context.Background()))
	group.Wait()
	require.Equal(t, begun.Load(), answered.Load())
}
