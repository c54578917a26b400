// Package httpserver runs an http.Server as a child of a supervisor: it listens, reports
// ready, serves, and shuts down without interrupting requests that can still finish in
// time. It only uses the standard library.
//
//	api := httpserver.New(httpserver.Spec{
//		Server: func(ctx child.Context) (*http.Server, error) {
//			return &http.Server{Addr: ":8080", Handler: mux}, nil
//		},
//	})
//	root := supervisor.New(supervisor.Spec{
//		Backoff:  child.Exponential(100*time.Millisecond, 10*time.Second),
//		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
//	})
//
// The phases of a run, and of its stop:
//
//	make the server, listen   an error is a failed start
//	Ready                     Addr has the address that it listens on
//	serve                     an error is a failure: it cancels the contexts of the requests,
//	                          closes their connections and waits for the handlers, for at most
//	                          the stop timeout; Health reports not ready meanwhile
//	asked to stop             Stopping is closed, and Addr is withdrawn
//	drain                     for Spec.Drain: it serves on, new connections too, while Health
//	                          reports not ready; each connection is closed after its next
//	                          response
//	Shutdown                  it accepts nothing new, and closes connections that are idle or
//	                          have not sent a request yet; requests may finish
//	ctx.Grace ends            after nine tenths of the stop timeout: it cancels the contexts of
//	                          the remaining requests and closes their connections
//	wait for the handlers     also for those of hijacked connections; a run whose handler does
//	                          not return is abandoned after the stop timeout
//
// An HTTP/2 client receives a GOAWAY instead of a closed connection, and has a second to
// leave.
//
// # Streams and hijacked connections
//
// A handler that continues until its client leaves must return when Stopping is closed.
// Otherwise the stop takes until ctx.Grace ends, and with a StopTimeout of child.Forever
// it never ends. The examples show server-sent events and a hijacked connection.
//
// A connection that a handler has hijacked, such as a websocket, belongs to the handler.
// The server does not close it, not even after the stop timeout, and the context of the
// request is not cancelled when its client leaves. So the handler must
//
//   - close the connection before it returns,
//   - unblock its own reads and writes when Stopping is closed, by setting a deadline, and
//   - not return before it is done with the connection. Run waits only for handlers: a
//     goroutine that continues after its handler has returned may use siblings that have
//     been stopped.
//
// # Listening
//
// A port that is in use is a failed start like any other. A restart is retried after the
// child's backoff; a first start is retried if RetryStart is set. A unix socket left by a
// killed process is replaced: see Spec.Network.
package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/listening"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A Spec declares a server. Only Server is required.
type Spec struct {
	// Server makes the http.Server of a run. It is called once per run, because an
	// http.Server that was shut down cannot serve again; returning the same one twice
	// is an error. The server listens on its Addr. As in http.Server, an empty Addr
	// means ":http", or ":https" with TLS. For a unix socket, Addr is the path of its
	// file.
	//
	// If the server has a TLSConfig, it serves TLS. Load certificate files in Server,
	// so that each restart loads them again. If BaseContext is nil, the contexts of
	// requests have the values of ctx, the child's context, so child.FromContext and
	// supervisor.FromContext work in handlers. They are cancelled when the time for a
	// graceful stop is over. Stopping also works with a BaseContext of your own. The
	// server's own ConnState is called as usual.
	Server func(ctx child.Context) (*http.Server, error)

	// Network is the network to listen on, as for net.Listen. Empty means "tcp". "unix"
	// listens on a socket file, or on an abstract socket of Linux if Addr begins with
	// "@".
	//
	// A process that is killed leaves its socket file, and listening on that fails
	// with EADDRINUSE. If listening fails with that error, with Listen too, and the path
	// is a socket that refuses connections (ECONNREFUSED) and is more than a second old,
	// the file is removed, and listening is retried once. If the socket is younger, the
	// run waits, because a server that is starting refuses connections too. Nothing else
	// is ever removed. Processes that start at the same time lock the directory of the
	// socket (flock), one after another. On systems without flock (Windows, Solaris, AIX)
	// the file is kept.
	Network string

	// Listen makes the listener of a run. Nil means the Listen of a net.ListenConfig. Use
	// it to set socket options or to wrap the listener.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)

	// Listener, if not nil, is used by every run instead of listening: for example one
	// from systemd or from a test. It is not closed. Between two runs, connections wait in
	// its queue. This requires a SetDeadline method, which TCP and unix listeners have. A
	// listener without SetDeadline is closed at the end of the first run, and later runs
	// fail to start.
	Listener net.Listener

	// Drain is how long the server keeps serving after it was asked to stop, so that load
	// balancers notice that it is not ready and send new requests elsewhere. A connection
	// stays open until its next response, which has the header "Connection: close"
	// unless the request asks for an upgrade. Zero means no drain.
	//
	// The drain takes at most half of the time that the child's stop timeout leaves for a
	// graceful stop. If Spec.Server has called ctx.Grace, that time is not known, and the
	// drain takes all of Drain.
	Drain time.Duration
}

// A Server is a child that serves HTTP. Make it with New and set child.Spec.Run to its Run
// method. A Server must not run twice at the same time.
type Server struct {
	// Addr is the address that the server listens on, while it runs and has not been
	// asked to stop. If Spec asks for port 0, Addr has the port that was assigned; it
	// may change with a restart.
	Addr child.Ref[net.Addr]

	spec Spec
	last atomic.Pointer[http.Server] // of the previous run
	lent listening.Lending           // of Spec.Listener
}

// New makes a Server. It cannot fail: Run returns an error if the spec is invalid.
func New(spec Spec) *Server { return &Server{spec: spec} }

// Run serves until ctx is done. It returns
//
//   - nil if all requests were served,
//   - the error of listening or serving, if one of them failed, or
//   - an error that wraps context.DeadlineExceeded, if the server was stopped and had to
//     cut off requests.
//
// A request on a hijacked connection counts as cut off if its handler returns after
// ctx.Grace has ended. Connections without a request do not count. If other code shuts the
// http.Server down, that is a normal end: Run does not return http.ErrServerClosed. Then
// handlers may finish, however long they take.
//
// If serving fails, handlers that ignore their contexts delay the return by at most the stop
// timeout of the child. Then they go on without the run, and ctx.OnError reports how many.
func (s *Server) Run(ctx child.Context) error {
	srv, err := s.make(ctx)
	if err != nil {
		return err
	}
	stopping := make(chan struct{})
	announce := sync.OnceFunc(func() { close(stopping) })
	defer announce() // also after a failure: handlers of hijacked connections wait for it
	requests, endRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endRequests(context.Canceled)
	giveContext(srv, requests, stopping)
	ln, err := s.listen(ctx, srv)
	if err != nil {
		return err
	}
	defer ln.Close() // if Serve is not reached
	defer srv.Close()
	handlers := watch(srv, stopping)
	silent := trackSilent(srv)
	shutting := make(chan struct{})
	begun := sync.OnceFunc(func() { close(shutting) })
	srv.RegisterOnShutdown(begun)

	s.Addr.Set(ctx, ln.Addr())
	if err := ctx.Ready(); err != nil {
		return err
	}
	halt := func(err error) {
		announce()
		ctx.Unready(err)
		endRequests(err)
		_ = srv.Close()
		awaitHandlers(ctx, handlers)
	}
	// Serve on this goroutine, so that a panic in it is a failure of the child: it calls
	// BaseContext and ConnContext.
	served := false
	defer func() {
		if !served {
			halt(errPanicked)
		}
	}()
	stopped := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		defer begun() // if Shutdown was not reached
		announce()
		stopped <- s.stop(ctx, srv, endRequests)
	})
	err = serve(srv, ln)
	served = true
	switch {
	case !unwatch():
		<-shutting // Serve may have returned earlier, if the listener failed during the drain
		silent.close()
		err = <-stopped
	case errors.Is(err, http.ErrServerClosed): // by other code
		announce()
		ctx.Unready(err)
		silent.close()
		err = shutDown(graceOf(ctx, endRequests), srv)
	default:
		halt(err)
		return err
	}
	if handlers.wait() && err == nil && requests.Err() != nil {
		err = cutOff(context.Cause(requests)) // hijacked connections: Shutdown ignores them
	}
	return err
}

// errPanicked is why requests end after a panic, which is what the run ends with.
var errPanicked = errors.New("httpserver: serving has panicked")

// awaitHandlers waits for the handlers of a server that has failed: a restart, or siblings that
// stop next, should not overlap with them. But one that ignores its context must not keep the
// child from being restarted. In a stop it would be abandoned after the same time.
func awaitHandlers(ctx child.Context, h *handlers) {
	limit, ok := ctx.Value(runkey.StopTimeout{}).(time.Duration)
	if !ok { // there is no supervisor
		limit = child.DefaultStopTimeout
	}
	if left := h.waitAtMost(limit); left > 0 {
		ctx.OnError(fmt.Errorf("httpserver: handlers that still run %v after the server failed: %d "+
			"(a handler must return when the context of its request is done)", limit, left))
	}
}

// make makes the http.Server of a run.
func (s *Server) make(ctx child.Context) (*http.Server, error) {
	if s.spec.Server == nil {
		return nil, errors.New("httpserver: Spec.Server is nil")
	}
	srv, err := s.spec.Server(ctx)
	switch {
	case err != nil:
		return nil, err
	case srv == nil:
		return nil, errors.New("httpserver: Spec.Server returned nil")
	case s.last.Swap(srv) == srv:
		return nil, errors.New("httpserver: Spec.Server returned the same http.Server again: each run needs a new one")
	case srv.TLSConfig != nil && !hasCertificate(srv.TLSConfig):
		return nil, errors.New("httpserver: TLSConfig has no certificate")
	}
	return srv, nil
}

// giveContext makes requests the base context of the server, unless it has one of its
// own, and adds the channel that Stopping returns.
func giveContext(srv *http.Server, requests context.Context, stopping <-chan struct{}) {
	own := srv.BaseContext
	srv.BaseContext = func(ln net.Listener) context.Context {
		base := requests
		if own != nil {
			base = own(ln)
		}
		if base == nil {
			return nil // http.Server panics with a clear text
		}
		return context.WithValue(base, stoppingKey{}, stopping)
	}
}

func hasCertificate(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil
}

func serve(srv *http.Server, ln net.Listener) error {
	if srv.TLSConfig != nil {
		return srv.ServeTLS(ln, "", "")
	}
	return srv.Serve(ln)
}

// stop drains the server and shuts it down.
func (s *Server) stop(ctx child.Context, srv *http.Server, endRequests context.CancelCauseFunc) (err error) {
	// This is not the goroutine of Run: a panic here would crash the process.
	defer func() {
		if v := recover(); v != nil {
			err = errors.Join(child.Recovered(v), srv.Close())
		}
	}()
	grace := graceOf(ctx, endRequests)
	if s.spec.Drain > 0 {
		drain := s.spec.Drain
		if end, limited := grace.Deadline(); limited {
			drain = min(drain, time.Until(end)/2)
		}
		child.Sleep(grace, drain)
	}
	return shutDown(grace, srv)
}

// graceOf returns ctx.Grace and cancels the requests when that ends. It is not their base
// context, because it has a deadline only if it is first requested after the stop has
// begun.
func graceOf(ctx child.Context, endRequests context.CancelCauseFunc) context.Context {
	grace := ctx.Grace()
	context.AfterFunc(grace, func() { endRequests(context.DeadlineExceeded) })
	return grace
}

// shutDown lets requests finish until grace ends, and then closes the remaining
// connections.
func shutDown(grace context.Context, srv *http.Server) error {
	err := srv.Shutdown(grace)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, grace.Err()): // may be context.Canceled
		return cutOff(errors.Join(context.DeadlineExceeded, srv.Close()))
	default: // an error of closing the listener
		return errors.Join(err, srv.Close())
	}
}

// cutOff is the error of a stop that did not have time for all requests.
func cutOff(why error) error { return fmt.Errorf("requests were cut off: %w", why) }
