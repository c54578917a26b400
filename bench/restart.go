package bench

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sourcegraph/conc/panics"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var errBoom = errors.New("boom")

// A crasher is the work of a child that fails as often as it is ordered to, once per run,
// and then waits for the next order.
type crasher struct {
	order  chan int
	done   chan struct{}
	left   int
	panics bool

	timed   bool // measure the time from each return to the next run
	at      time.Time
	samples []time.Duration
}

func newCrasher() *crasher { return &crasher{order: make(chan int), done: make(chan struct{}, 1)} }

func (c *crasher) work(ctx context.Context) error {
	if c.timed && !c.at.IsZero() {
		c.samples = append(c.samples, time.Since(c.at))
	}
	if c.left == 0 {
		c.done <- struct{}{}
		select {
		case <-ctx.Done():
			return nil
		case c.left = <-c.order:
		}
	}
	c.left--
	if c.timed {
		c.at = time.Now()
	}
	if c.panics {
		panic(errBoom)
	}
	return errBoom
}

// fail orders n failures and returns after the last restart.
func (c *crasher) fail(n int) {
	if n == 0 {
		return
	}
	c.order <- n
	<-c.done
}

// A keeper runs the work of a crasher and restarts it. It returns when the first run waits
// for orders. The function that it returns stops it and waits for the end.
type keeper func(c *crasher) (end func())

// restarts measures how long a restart takes.
func restarts(keep keeper, panics bool) func(*Meter) {
	return func(m *Meter) {
		c := newCrasher()
		c.panics = panics
		end := keep(c)
		for m.more() {
			m.time(10*batch, func() { c.fail(10 * batch) })
		}
		end()
	}
}

// latencies measures the time from each return to the next run.
func latencies(keep keeper) func(*Meter) {
	return func(m *Meter) {
		c := newCrasher()
		c.timed, m.samples = true, make([]time.Duration, 0, 1<<20)
		end := keep(c)
		for m.more() {
			c.at, c.samples = time.Time{}, m.samples // do not count the wait for orders
			m.time(batch, func() { c.fail(batch) })
			m.samples = c.samples
		}
		end()
	}
}

// A phoenix is a hand-written child that is restarted. Each run has its own context. The
// last error, the number of restarts and the ready flag are kept under a lock, for
// callers to query. Restarts are not limited.
type phoenix struct {
	call func(context.Context) error
	next func(p *phoenix, err error) // called at the end of each run
	gone chan struct{}
	exit chan error // received by the supervising goroutine

	mu       sync.Mutex
	cancel   context.CancelFunc
	ready    bool
	stopped  bool
	restarts int
	last     error
}

func newPhoenix(call func(context.Context) error, next func(*phoenix, error)) *phoenix {
	return &phoenix{call: call, next: next, gone: make(chan struct{}), exit: make(chan error)}
}

// prepare returns the context of the next run, or nil if the phoenix is stopped.
func (p *phoenix) prepare() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	return ctx
}

func (p *phoenix) once(ctx context.Context) error {
	p.mu.Lock()
	p.ready = true
	p.mu.Unlock()
	err := p.call(ctx)
	p.mu.Lock()
	p.ready, p.last = false, err
	p.restarts++
	p.cancel()
	p.mu.Unlock()
	return err
}

func (p *phoenix) run(ctx context.Context) { p.next(p, p.once(ctx)) }

// again starts the next run on a new goroutine.
func (p *phoenix) again(error) {
	if ctx := p.prepare(); ctx != nil {
		go p.run(ctx)
	} else {
		close(p.gone)
	}
}

// tell sends the error to the supervising goroutine, which starts the next run.
func (p *phoenix) tell(err error) { p.exit <- err }

func (p *phoenix) supervise() {
	for err := range p.exit {
		ctx := p.prepare()
		if ctx == nil {
			close(p.gone)
			return
		}
		_ = err
		go p.run(ctx)
	}
}

// loop makes all runs on one goroutine.
func (p *phoenix) loop() {
	defer close(p.gone)
	for ctx := p.prepare(); ctx != nil; ctx = p.prepare() {
		_ = p.once(ctx)
	}
}

func (p *phoenix) end() {
	p.mu.Lock()
	p.stopped = true
	cancel := p.cancel
	p.mu.Unlock()
	cancel()
	<-p.gone
}

type guard func(func(context.Context) error) func(context.Context) error

func unguarded(call func(context.Context) error) func(context.Context) error { return call }

// recovering turns a panic into an error. keep returns what the error keeps of the stack.
func recovering(keep func() any) guard {
	return func(call func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			defer func() {
				if v := recover(); v != nil {
					err = &handPanic{v, keep()}
				}
			}()
			return call(ctx)
		}
	}
}

type handPanic struct{ value, stack any }

func (*handPanic) Error() string { return "panic" }

func noStack() any   { return nil }
func textStack() any { return debug.Stack() }
func counters() any {
	var calls [64]uintptr
	n := runtime.Callers(3, calls[:])
	return append([]uintptr(nil), calls[:n]...)
}

// byConcGuard recovers with conc, which keeps the stack as text.
func byConcGuard(call func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		if caught := panics.Try(func() { err = call(ctx) }); caught != nil {
			return caught.AsError()
		}
		return err
	}
}

func goPerRestart(g guard) keeper {
	return func(c *crasher) func() {
		p := newPhoenix(g(c.work), (*phoenix).again)
		go p.run(p.prepare())
		<-c.done
		return p.end
	}
}

func goBySupervisor(g guard) keeper {
	return func(c *crasher) func() {
		p := newPhoenix(g(c.work), (*phoenix).tell)
		go p.supervise()
		go p.run(p.prepare())
		<-c.done
		return p.end
	}
}

func inPlace(g guard) keeper {
	return func(c *crasher) func() {
		p := newPhoenix(g(c.work), nil)
		go p.loop()
		<-c.done
		return p.end
	}
}

// limits is an intensity that is checked and never exceeded.
var limits = strategy.AtMost(100_000, 10*time.Millisecond)

func (c *crasher) run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return c.work(ctx)
}

func coppiceKeeper(s strategy.Strategy, siblings int, prepare func(*supervisor.Supervisor)) keeper {
	return func(c *crasher) func() {
		need(siblings)
		spec := supervisor.Spec{Strategy: s, Intensity: limits, Logger: quiet}
		spec.Children = append(spec.Children, child.Spec{Name: "crasher", Run: c.run})
		for i := range siblings {
			spec.Children = append(spec.Children, child.Spec{Name: names[i], Run: idle})
		}
		sup := supervisor.New(spec)
		if prepare != nil {
			prepare(sup)
		}
		must(sup.Start(bg))
		<-c.done
		return func() { must(sup.Stop(bg)) }
	}
}

type sutureCrasher struct{ *crasher }

func (s sutureCrasher) Serve(ctx context.Context) error { return s.work(ctx) }

func sutureKeeper(siblings int) keeper {
	return func(c *crasher) func() {
		crew := newSuture(siblings).(*sutureCrew)
		crew.sup.Add(sutureCrasher{c})
		<-c.done
		return crew.stop
	}
}

// beside runs a floor next to idle children, which it does not know.
func beside(siblings int, keep keeper) keeper {
	return func(c *crasher) func() {
		others := newRow(startRecord, false)(siblings)
		end := keep(c)
		return func() { end(); others.stop() }
	}
}
