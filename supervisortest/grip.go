package supervisortest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A grip holds every run of a tree, at any depth, so that a test can end it, or
// have it start late or hang. Its around is the tree's Spec.Around.
type grip struct {
	mu      sync.Mutex
	runs    map[string][]*held // live ones by path, the first one first
	plans   map[string]plan    // by path: for the next run
	supers  map[string]*supervisor.Supervisor
	entered uint64
	doubles []string      // paths of runs that began while another went on that nobody had asked to stop
	moved   chan struct{} // holds something when a run has begun or ended, or a watch has seen an event
	free    chan struct{} // closed by release
	freed   bool
}

// A plan is what is to go wrong with the next run of a child.
type plan struct {
	fail error         // its start fails
	slow time.Duration // its start takes so much longer
	hang time.Duration // so much longer it takes to stop
}

// held is a run.
type held struct {
	outer   context.Context // ends when its supervisor wants it to
	cancel  context.CancelCauseFunc
	end     error // it is to end with this
	crashed bool
	hang    time.Duration
}

func newGrip() *grip {
	return &grip{
		runs:   make(map[string][]*held),
		plans:  make(map[string]plan),
		supers: make(map[string]*supervisor.Supervisor),
		moved:  make(chan struct{}, 1),
		free:   make(chan struct{}),
	}
}

func (g *grip) around(ctx child.Context, run func(child.Context) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h, p := g.enter(ctx, cancel)
	defer g.leave(ctx.Path(), h)
	if p.slow > 0 && child.Sleep(ctx, p.slow) {
		return nil
	}
	if p.fail != nil {
		return raise(p.fail)
	}
	err := run(child.FromContext(inner))
	crashed, hang, end := g.ended(h)
	switch {
	case ctx.ShouldHalt():
		g.linger(hang)
	case crashed:
		return raise(end)
	}
	return err
}

func (g *grip) enter(ctx child.Context, cancel context.CancelCauseFunc) (*held, plan) {
	path := ctx.Path()
	sup, _ := supervisor.FromContext(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.plans[path]
	delete(g.plans, path)
	for _, other := range g.runs[path] {
		if other.outer.Err() == nil {
			g.doubles = append(g.doubles, path)
		}
	}
	h := &held{outer: ctx, cancel: cancel, hang: p.hang}
	g.runs[path] = append(g.runs[path], h)
	g.supers[sup.Path()] = sup
	g.entered++
	g.stir()
	return h, p
}

func (g *grip) leave(path string, h *held) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.runs[path] = slices.DeleteFunc(g.runs[path], func(x *held) bool { return x == h })
	if len(g.runs[path]) == 0 {
		delete(g.runs, path)
	}
	g.stir()
}

// stir wakes who waits for something to move.
func (g *grip) stir() {
	select {
	case g.moved <- struct{}{}:
	default:
	}
}

func (g *grip) ended(h *held) (crashed bool, hang time.Duration, end error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return h.crashed, h.hang, h.end
}

// linger holds up a run that was asked to stop.
func (g *grip) linger(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.free:
	}
}

// crash ends the run of the child at path: its context ends, and when it has
// returned the run ends with err. It reports false if there is none, but perhaps
// some that were asked to stop: nothing would come of their end.
func (g *grip) crash(path string, err error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.runs[path] {
		if h.outer.Err() != nil {
			continue
		}
		if !h.crashed {
			h.crashed, h.end = true, err
			h.cancel(err)
		}
		return true
	}
	return false
}

// hang has the latest run of the child at path take so much longer to stop.
func (g *grip) hang(path string, d time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	runs := g.runs[path]
	if len(runs) == 0 {
		return false
	}
	runs[len(runs)-1].hang = d
	return true
}

// plan says what is to go wrong with the next run of the child at path.
func (g *grip) plan(path string, p plan) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.plans[path] = p
}

// release lets all runs go that hang, now and from now on.
func (g *grip) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.freed {
		g.freed = true
		close(g.free)
	}
}

// live returns how many runs there are, by path, and how many there have been.
func (g *grip) live() (by map[string]int, entered uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	by = make(map[string]int, len(g.runs))
	for path, runs := range g.runs {
		by[path] = len(runs)
	}
	return by, g.entered
}

// twice returns the paths of runs that must not have begun.
func (g *grip) twice() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.doubles
}

// super returns the supervisor at path, if it has ever started a child.
func (g *grip) super(path string) *supervisor.Supervisor {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.supers[path]
}
