// Package httpserver runs an http.Server as a child of a supervisor: it listens,
// is ready, serves, and stops without cutting off a request that can still end in
// time. It uses the standard library alone.
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
// The life of one run, and what a stop does:
//
//	make the server, listen   an error is a failed start
//	Ready                     Addr says where it listens
//	serve                     an error is a failure
//	asked to stop             Stopping is closed, and Addr is withdrawn
//	drain                     for Spec.Drain: serves on, new connections too, while Health
//	                          says not ready; each answer closes its connection
//	Shutdown                  nothing new is accepted; connections that are idle, or have
//	                          sent no request yet, are closed; requests may end
//	ctx.Grace ends            nine tenths of the stop timeout are over: the contexts of the
//	                          requests end, and their connections are closed
//	wait for the handlers     those of hijacked connections too; a run whose handler does
//	                          not return is abandoned when the stop timeout is over
//
// A client of HTTP/2 gets a GOAWAY instead of a closed connection, and has a
// second to leave.
//
// # Streams and hijacked connections
//
// A handler that goes on until its client leaves must end on Stopping. Otherwise
// its stop takes until ctx.Grace ends, and with a StopTimeout of child.Forever it
// never ends. The examples show server-sent events and a hijacked connection.
//
// A connection that a handler has hijacked (a websocket, say) belongs to the
// handler. The server does not close it, not even when time is up, and the
// request's context does not end when its client leaves. So the handler must
//
//   - close the connection before it returns,
//   - unblock its own reads and writes on Stopping, by a deadline, and
//   - not return before it is done with the connection. Run waits for handlers
//     alone: a goroutine that goes on after its handler has returned may use
//     siblings that have been stopped.
//
// # Listening
//
// A port that is in use is a failed start like any other: a restart waits for its
// turn in the backoff and tries again, a first start does so if the child's
// RetryStart is set. A unix socket that a killed process left is replaced: see
// Spec.Network.
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
)

// A Spec declares a server. Only Server is required.
type Spec struct {
	// Server makes the server of one run. It is called for each run, since an
	// http.Server that was shut down cannot serve again; to return the same one
	// twice is an error. Its Addr is where to listen: as of http.Server, so empty
	// is ":http", or ":https" with TLS; for a unix socket the path of its file.
	//
	// With a TLSConfig it serves TLS. Load a certificate that comes from a file
	// here, so that each restart loads it again. Where BaseContext is nil, requests
	// get a context with the values of ctx, that of the child, which ends when the
	// time for a graceful stop is over: child.FromContext and supervisor.FromContext
	// work in handlers. Stopping works with a BaseContext too. The server's own
	// ConnState is called as usual.
	Server func(ctx child.Context) (*http.Server, error)

	// Network is that of net.Listen. Empty is "tcp"; "unix" is a socket file, and
	// with an Addr that begins with "@" an abstract socket of Linux.
	//
	// A process that is killed leaves its socket file, and nobody can listen there.
	// If an attempt to listen, by Listen too, fails with EADDRINUSE, and the path is
	// a socket that refuses connections (ECONNREFUSED) and was made more than a second
	// ago, it is removed, and there is one more attempt. A younger one is waited for,
	// since a server that starts refuses connections too. Nothing else is ever
	// removed. Processes that start at once lock the directory of the socket
	// (flock) in turn. Systems without flock (Windows, Solaris, AIX) keep the file.
	Network string

	// Listen makes the listener of one run, in place of a net.ListenConfig's
	// Listen: to set socket options, or to wrap a listener in another.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)

	// Listener, if set, is used by every run instead: one that systemd or a test
	// hands over. It is not closed. Between runs, connections wait in its queue.
	// That takes a SetDeadline method, as TCP and unix listeners have it. A listener
	// without one is closed at the end of the first run, and serves no other.
	Listener net.Listener

	// Drain is how long the server serves on after it was asked to stop, so that
	// load balancers see that it is not ready and send new requests elsewhere.
	// Connections stay open until their next answer, which has "Connection: close",
	// unless the request asks for an upgrade. Zero means no drain.
	//
	// It takes at most half of what the child's stop timeout allows for a graceful
	// stop; that is not known, and Drain is taken in full, if the factory has asked
	// for ctx.Grace.
	Drain time.Duration
}

// A Server is a child that serves HTTP. Make one with New and put its Run into
// child.Spec.Run. One Server is one child: it must not run twice at once.
type Server struct {
	// Addr is where it listens, while it runs and has not been asked to stop.
	// With a port of 0 that is the port it was given, after a restart the new one.
	Addr child.Ref[net.Addr]

	spec Spec
	last atomic.Pointer[http.Server] // of the run before
	lent lending                     // of Spec.Listener
}

// New makes a server. It cannot fail: a fault of the spec is the error of Run.
func New(spec Spec) *Server { return &Server{spec: spec} }

// Run serves until ctx ends. It returns nil if all requests were served; the
// error that kept it from listening or ended the serving; or, when it was stopped
// and had to cut off requests, an error that wraps context.DeadlineExceeded. A
// request on a hijacked connection is cut off if its handler returns later than
// ctx.Grace ends. Connections without a request are not work. A server that is
// shut down by other code has a normal end: Run does not return
// http.ErrServerClosed.
func (s *Server) Run(ctx child.Context) error {
	srv, err := s.make(ctx)
	if err != nil {
		return err
	}
	stopping := make(chan struct{})
	announce := sync.OnceFunc(func() { close(stopping) })
	defer announce() // a failure too, for connections that handlers have hijacked
	requests, endRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endRequests(context.Canceled)
	giveContext(srv, requests, stopping)
	ln, err := s.listen(ctx, srv)
	if err != nil {
		return err
	}
	defer ln.Close() // in case Serve is not reached
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
	// Serve stays on this goroutine, so that a panic in it (BaseContext and
	// ConnContext are called there) is the child's.
	stopped := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		defer begun() // if Shutdown was not reached
		announce()
		stopped <- s.stop(ctx, srv, endRequests)
	})
	err = serve(srv, ln)
	switch {
	case !unwatch():
		<-shutting // which is later than the end of Serve if the listener broke during a drain
		silent.close()
		err = <-stopped
	case errors.Is(err, http.ErrServerClosed): // by other code
		announce()
		ctx.Unready(err)
		silent.close()
		err = shutDown(graceOf(ctx, endRequests), srv)
	default:
		return err
	}
	if handlers.wait() && err == nil && requests.Err() != nil {
		err = cutOff(context.Cause(requests)) // on a hijacked connection: Shutdown knows none
	}
	return err
}

// make makes the server of one run.
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

// giveContext gives the server's requests a context, unless it has one for them,
// and puts into it what Stopping returns.
func giveContext(srv *http.Server, requests context.Context, stopping <-chan struct{}) {
	own := srv.BaseContext
	srv.BaseContext = func(ln net.Listener) context.Context {
		base := requests
		if own != nil {
			base = own(ln)
		}
		if base == nil {
			return nil // http.Server has words for that
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

// stop stops a server whose child was asked to stop.
func (s *Server) stop(ctx child.Context, srv *http.Server, endRequests context.CancelCauseFunc) (err error) {
	// This goroutine is not the run's own: what panics here would end the process.
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

// graceOf returns ctx.Grace, whose end ends the requests. They do not have it as
// their context: its deadline is known only if it is first asked for when the
// stop has begun.
func graceOf(ctx child.Context, endRequests context.CancelCauseFunc) context.Context {
	grace := ctx.Grace()
	context.AfterFunc(grace, func() { endRequests(context.DeadlineExceeded) })
	return grace
}

// shutDown lets requests end as long as there is time for it, and then closes
// the connections that are left.
func shutDown(grace context.Context, srv *http.Server) error {
	err := srv.Shutdown(grace)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, grace.Err()): // which may be Canceled
		return cutOff(errors.Join(context.DeadlineExceeded, srv.Close()))
	default: // of the listener
		return errors.Join(err, srv.Close())
	}
}

// cutOff is the error of a stop that had no time for all requests.
func cutOff(why error) error { return fmt.Errorf("cut off what was not done: %w", why) }
