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
// The life of one run:
//
//	make the server, listen      an error is a failed start
//	Ready                        Addr says where it listens
//	serve                        an error is a failure
//	asked to stop: drain         serves on for Spec.Drain, while Health says: not ready
//	Shutdown                     no new connections; those without a request are closed;
//	                             requests may end, until ctx.Grace ends
//	Close                        of what is left then: nine tenths of the stop timeout are over
//	wait for the handlers        one that does not return is reported as left behind
//
// A port that is taken is a failed start like any other: a restart waits for its
// turn in the backoff and tries again, a first start does so if the child's
// RetryStart is set.
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
	// With a TLSConfig it serves TLS; a certificate that comes from a file is
	// loaded here, so that a restart loads it anew. Where BaseContext is nil,
	// requests get a context with the values of ctx, that of the child, which ends
	// when the time for a graceful stop is over: child.FromContext and
	// supervisor.FromContext work in handlers.
	Server func(ctx child.Context) (*http.Server, error)

	// Network is that of net.Listen. Empty is "tcp"; "unix" is a socket file.
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

	// Listener, if set, is listened on instead, by every run: one that systemd or
	// a test hands over. It is not closed. Between runs, connections wait in its
	// queue. That takes a SetDeadline method, as TCP and unix listeners have it;
	// one that has none is closed by the end of the first run, and is good for no
	// other.
	Listener net.Listener

	// Drain is how long the server serves on after it was asked to stop, for load
	// balancers to see that it is not ready and to send new requests elsewhere.
	// It takes at most half of what the child's stop timeout allows for a graceful
	// stop; that is not known where the factory has asked for ctx.Grace. Zero is not
	// at all.
	Drain time.Duration
}

// A Server is a child that serves HTTP. Make one with New and put its Run into
// child.Spec.Run. One Server is one child: not to be run twice at once.
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

// Run serves until ctx ends. It returns nil if everybody was served; the error
// that kept it from listening or ended the serving; and when it was stopped and
// had to cut off requests, the reason, which wraps context.DeadlineExceeded. That
// somebody else has shut the server down is a normal end: http.ErrServerClosed is
// not returned.
func (s *Server) Run(ctx child.Context) error {
	srv, err := s.make(ctx)
	if err != nil {
		return err
	}
	endRequests := giveContext(srv, ctx)
	defer endRequests(context.Canceled)
	ln, err := s.listen(ctx, srv)
	if err != nil {
		return err
	}
	defer ln.Close() // in case Serve is not reached
	defer srv.Close()
	handlers := watch(srv)
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
		context.AfterFunc(ctx.Grace(), func() { endRequests(context.DeadlineExceeded) })
		stopped <- s.stop(ctx, srv)
	})
	err = serve(srv, ln)
	switch {
	case !unwatch():
		<-shutting // which is later than the end of Serve if the listener broke during a drain
		silent.close()
		err = <-stopped
	case errors.Is(err, http.ErrServerClosed): // by somebody else
		ctx.Unready(err)
		silent.close()
		err = shutDown(ctx, srv)
	default:
		return err
	}
	handlers.wait()
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

// giveContext gives the server's requests a context, unless it has one for them.
// It is not ctx.Grace itself: that shows its deadline only if it is first asked
// for when the stop has begun, and stop wants to see it.
func giveContext(srv *http.Server, ctx child.Context) (end context.CancelCauseFunc) {
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	if srv.BaseContext == nil {
		srv.BaseContext = func(net.Listener) context.Context { return base }
	}
	return end
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
func (s *Server) stop(ctx child.Context, srv *http.Server) (err error) {
	// This goroutine is not the run's own: what panics here would end the process.
	defer func() {
		if v := recover(); v != nil {
			err = errors.Join(child.Recovered(v), srv.Close())
		}
	}()
	if s.spec.Drain > 0 {
		drain := s.spec.Drain
		if end, limited := ctx.Grace().Deadline(); limited {
			drain = min(drain, time.Until(end)/2)
		}
		child.Sleep(ctx.Grace(), drain)
	}
	return shutDown(ctx, srv)
}

// shutDown lets requests end as long as there is time for it, and then closes
// the connections that are left.
func shutDown(ctx child.Context, srv *http.Server) error {
	if err := srv.Shutdown(ctx.Grace()); err != nil {
		return fmt.Errorf("cut off what was not done: %w", errors.Join(err, srv.Close()))
	}
	return nil
}
