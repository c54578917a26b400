package grpcserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/listening"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A Server is a child that serves gRPC. Make it with New and set child.Spec.Run to its Run
// method. A Server must not run twice at the same time.
type Server struct {
	// Addr is the address that the server listens on, while it runs and has not been
	// asked to stop. If Spec asks for port 0, Addr has the port that was assigned; it
	// may change with a restart.
	Addr child.Ref[net.Addr]

	spec Spec
	lent listening.Lending // of Spec.Listener
}

// New makes a Server. It cannot fail: Run returns an error if the spec is invalid.
func New(spec Spec) *Server { return &Server{spec: spec} }

// Run serves until ctx is done. It returns
//
//   - nil if all calls have ended,
//   - the error of listening or serving, if one of them failed, or
//   - an error that wraps context.DeadlineExceeded, if the server was stopped and handlers
//     were still running when ctx.Grace ended.
//
// If other code stops the grpc.Server, that is a normal end.
//
// If serving fails, handlers that ignore their contexts delay the return by at most the stop
// timeout of the child. Then they go on without the run, and ctx.OnError reports how many.
func (s *Server) Run(ctx child.Context) error {
	r := newRun(ctx, &s.spec)
	if err := r.make(); err != nil {
		return err
	}
	defer r.halt() // if Run panics, too
	ln, err := s.listen(ctx)
	if err != nil {
		return err
	}
	r.listener = track(ln, r.closed)
	defer r.listener.Close() // if Serve is not reached

	s.Addr.Set(ctx, ln.Addr())
	if err := ctx.Ready(); err != nil {
		return err
	}
	// Serve on this goroutine, so that a panic in it is a failure of the child: it calls
	// Accept of a listener that may be the user's.
	stopped := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		r.announce()
		stopped <- r.stop()
	})
	defer unwatch()
	err = r.srv.Serve(r.listener)
	switch {
	case !unwatch():
		return <-stopped
	case err == nil: // stopped by other code
		return r.shutDown(ctx.Grace())
	default:
		ctx.Unready(err)
		r.halt()
		return err
	}
}

// A run is one run of a Server.
type run struct {
	ctx      child.Context
	spec     *Spec
	srv      *grpc.Server
	listener *listener // nil until it listens
	handlers *handlers
	health   *health
	stopping chan struct{} // what Stopping returns
	announce func()        // closes it
	halted   bool
}

func newRun(ctx child.Context, spec *Spec) *run {
	r := &run{ctx: ctx, spec: spec, stopping: make(chan struct{})}
	r.health = newHealth(ctx, spec.Optional, r.stopping)
	r.handlers = &handlers{ctx: ctx, stopping: r.stopping, passPanics: spec.PassPanics}
	r.announce = sync.OnceFunc(func() {
		close(r.stopping)
		r.health.refresh()
	})
	return r
}

// make makes the grpc.Server of the run.
func (r *run) make() error {
	if r.spec.Register == nil {
		return errors.New("grpcserver: Spec.Register is nil: set it to a function that registers the services")
	}
	options := r.handlers.options()
	if r.spec.Options != nil {
		more, err := r.spec.Options(r.ctx)
		if err != nil {
			return err
		}
		options = append(options, more...)
	}
	srv := grpc.NewServer(options...)
	registered := false
	defer func() {
		if !registered {
			srv.Stop() // ends the goroutines of grpc.NumStreamWorkers
		}
	}()
	if err := r.spec.Register(r.ctx, srv); err != nil {
		return err
	}
	services := srv.GetServiceInfo()
	if _, own := services[healthpb.Health_ServiceDesc.ServiceName]; !own {
		r.health.serve(services)
		healthpb.RegisterHealthServer(srv, r.health)
	}
	r.srv, registered = srv, true
	return nil
}

// closed is called when the listener is closed: in a stop of ours, or as the first thing in
// a Stop or GracefulStop by other code. Serve does not return before those have ended, which
// they would not if handlers waited for Stopping.
func (r *run) closed() {
	select {
	case <-r.stopping:
	default:
		r.ctx.Unready(grpc.ErrServerStopped)
		r.announce()
		r.health.end()
	}
}

// stop drains the server and shuts it down.
func (r *run) stop() error {
	grace := r.ctx.Grace()
	if r.spec.Drain > 0 {
		drain := r.spec.Drain
		if end, limited := grace.Deadline(); limited {
			drain = min(drain, time.Until(end)/2)
		}
		child.Sleep(grace, drain)
	}
	return r.shutDown(grace)
}

// shutDown lets calls finish until grace ends, closes the remaining connections, and waits
// for the handlers.
func (r *run) shutDown(grace context.Context) error {
	r.health.end()
	err := r.listener.stop()
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		r.srv.GracefulStop() // waits for the handlers, also after a Stop
	}()
	select {
	case <-graceful:
		return err
	case <-grace.Done():
	}
	cut := r.handlers.running.Load() > 0
	r.listener.closeConns() // those whose handshake goes on would delay Stop
	r.srv.Stop()
	<-graceful
	if cut {
		err = errors.Join(fmt.Errorf("calls were cut off: %w", context.DeadlineExceeded), err)
	}
	return err
}

// halt stops the server at once, and waits for the handlers: a restart, or siblings that stop
// next, should not overlap with them. But one that ignores its context must not keep the child
// from being restarted. In a stop it would be abandoned after the same time. It may be called
// again, which does nothing.
func (r *run) halt() {
	if r.halted {
		return
	}
	r.halted = true
	r.announce()
	r.health.end()
	if r.listener != nil {
		_ = r.listener.stop()
		r.listener.closeConns()
	}
	r.srv.Stop()
	limit, ok := r.ctx.Value(runkey.StopTimeout{}).(time.Duration)
	if !ok { // there is no supervisor
		limit = child.DefaultStopTimeout
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	idle := make(chan struct{})
	go func() { // it ends with the last handler
		defer close(idle)
		r.srv.GracefulStop() // Stop does not wait for the handlers
	}()
	select {
	case <-idle:
	case <-late.C:
		r.ctx.OnError(fmt.Errorf("grpcserver: handlers that still run %v after the server failed: %d "+
			"(a handler must return when the context of its call is done)", limit, r.handlers.running.Load()))
	}
	r.health.close()
}
