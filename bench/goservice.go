package bench

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// The module proxy does not have go-service, which Coppice supersedes. This is the shape of
// what its last version does where a service is started, ready and halted: the same locks,
// channels, goroutines and allocations. A service is known by its pointer, and its run is
// also its context, which is made by hand. A call waits with a signal, either for one service
// or for several. There are no limits on start and stop, no restarts, and no events beyond a
// check whether there is somebody to receive them.

type gsState int

const (
	gsHalted gsState = iota
	gsStarting
	gsStarted
	gsHalting
	gsEnded
)

type gsStage int

const (
	gsBeforeReady gsStage = iota
	gsAfterReady
)

// A gsService is declared once and may be started again and again.
type gsService struct {
	name  string
	run   func(*gsRun) error
	onEnd func(*gsService, error)
	onSet chan<- gsState
}

type gsRunner struct {
	onEnd func(*gsService, error)
	onSet chan<- gsState

	mu   sync.RWMutex
	last uint64 // number of the latest run
	all  map[*gsService]*gsRun
}

// A gsRun is a run of a service, and what its function receives.
type gsRun struct {
	number  uint64
	service *gsService
	runner  *gsRunner

	mu      sync.Mutex
	state   gsState
	start   context.Context // of the call that waits for the start; nil once the run is ready
	ready   gsSignal        // of that call
	waiters []gsSignal      // of calls that wait for the end
	stage   gsStage
	done    <-chan struct{}
	halt    chan struct{}
	_       <-chan struct{} // joins the end of start to halt, if start can end; no row does that
	called  bool            // Ready was called
}

// start starts services, and returns when all are ready or have failed to start.
func (g *gsRunner) start(ctx context.Context, services ...*gsService) error {
	if len(services) == 0 {
		return nil
	}
	ready := newSignal(len(services))
	g.mu.Lock()
	for _, s := range services {
		if g.all[s] != nil {
			ready.done(errors.New("already running"))
			continue
		}
		g.last++
		r := &gsRun{number: g.last, service: s, runner: g, start: ctx, ready: ready, halt: make(chan struct{})}
		r.done = r.halt
		g.all[s] = r
		r.mu.Lock()
		r.set(gsStarting)
		r.mu.Unlock()
		go func() { g.ended(r, s.run(r)) }()
	}
	g.mu.Unlock()
	return await(ctx, ready)
}

// haltAll halts services, and returns when all have ended.
func (g *gsRunner) haltAll(ctx context.Context, services ...*gsService) error {
	if len(services) == 0 {
		return nil
	}
	ended := newSignal(len(services))
	g.mu.Lock()
	for _, s := range services {
		r := g.all[s]
		if r == nil {
			ended.done(nil)
			continue
		}
		r.mu.Lock()
		r.waiters = append(r.waiters, ended)
		if r.state != gsHalting {
			r.set(gsHalting)
			close(r.halt)
		}
		r.mu.Unlock()
	}
	g.mu.Unlock()
	return await(ctx, ended)
}

func (g *gsRunner) ended(r *gsRun, err error) {
	g.mu.Lock()
	delete(g.all, r.service)
	r.mu.Lock()
	if r.state != gsHalting {
		close(r.halt)
	}
	r.set(gsEnded)
	atHalt := err
	if r.stage == gsBeforeReady {
		r.nowReady(err)
		atHalt = nil
	}
	if g.onEnd != nil {
		g.onEnd(r.service, err)
	}
	if r.service.onEnd != nil {
		r.service.onEnd(r.service, err)
	}
	for _, w := range r.waiters {
		w.done(atHalt)
	}
	r.waiters = nil
	r.mu.Unlock()
	g.mu.Unlock()
}

// Ready notes that the run is ready.
func (r *gsRun) Ready() (err error) {
	r.runner.mu.Lock()
	r.mu.Lock()
	if r.start != nil {
		err = r.start.Err()
	}
	r.nowReady(err)
	if r.state == gsStarting {
		r.set(gsStarted)
	}
	r.mu.Unlock()
	r.runner.mu.Unlock()
	return err
}

func (r *gsRun) nowReady(err error) {
	r.start, r.called = nil, true
	if err == nil {
		r.stage = gsAfterReady
	}
	if r.ready != nil {
		r.ready.done(err)
		r.ready = nil
	}
}

func (r *gsRun) set(state gsState) {
	r.state = state
	for _, to := range [...]chan<- gsState{r.runner.onSet, r.service.onSet} {
		if to != nil {
			select {
			case to <- state:
			default:
			}
		}
	}
}

func (r *gsRun) Done() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// A gsSignal is what a call waits for.
type gsSignal interface {
	done(error)
	waiter() <-chan error
}

func newSignal(n int) gsSignal {
	if n == 1 {
		return &gsOne{c: make(chan error, 1)}
	}
	s := &gsMany{left: n}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func await(ctx context.Context, s gsSignal) error {
	select {
	case err := <-s.waiter():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

type gsOne struct {
	c    chan error
	sent int32
}

func (s *gsOne) done(err error) {
	if atomic.CompareAndSwapInt32(&s.sent, 0, 1) {
		s.c <- err
	}
}

func (s *gsOne) waiter() <-chan error { return s.c }

type gsMany struct {
	mu      sync.Mutex
	changed *sync.Cond
	left    int
	errs    []error
}

func (s *gsMany) done(err error) {
	s.mu.Lock()
	s.left--
	s.errs = append(s.errs, err)
	s.changed.Broadcast()
	s.mu.Unlock()
}

func (s *gsMany) waiter() <-chan error {
	c := make(chan error, 1)
	go func() {
		s.mu.Lock()
		for s.left > 0 {
			s.changed.Wait()
		}
		err := errors.Join(s.errs...)
		s.mu.Unlock()
		c <- err
	}()
	return c
}

// A gsCrew is a runner and the services that it may be asked to start.
type gsCrew struct {
	runner   *gsRunner
	services []*gsService
}

func newGoService(n int) crew {
	c := &gsCrew{runner: &gsRunner{all: make(map[*gsService]*gsRun)}}
	c.declare(n)
	must(c.runner.start(bg, c.services...))
	return c
}

// declare makes the services 0 to n-1.
func (c *gsCrew) declare(n int) {
	for i := len(c.services); i < n; i++ {
		c.services = append(c.services, &gsService{name: names[i], run: gsIdle})
	}
}

func gsIdle(r *gsRun) error {
	if err := r.Ready(); err != nil {
		return err
	}
	<-r.Done()
	return nil
}

func (c *gsCrew) add(i int) {
	c.declare(i + 1)
	must(c.runner.start(bg, c.services[i]))
}

func (c *gsCrew) remove(i int) { must(c.runner.haltAll(bg, c.services[i])) }

func (c *gsCrew) stop() { must(c.runner.haltAll(bg, c.services...)) }

// list lists the running services, as Services does.
func (c *gsCrew) list() {
	type info struct {
		state   gsState
		service *gsService
	}
	c.runner.mu.RLock()
	all := make([]info, 0, len(c.runner.all))
	for s, r := range c.runner.all {
		r.mu.Lock()
		all = append(all, info{r.state, s})
		r.mu.Unlock()
	}
	c.runner.mu.RUnlock()
	runtime.KeepAlive(all)
}
