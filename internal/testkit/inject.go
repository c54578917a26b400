package testkit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// An Injector holds every run of a tree, at any depth, so that a test can end it,
// or have it start late or hang. Its Around is the tree's Spec.Around.
type Injector struct {
	mu      sync.Mutex
	runs    map[string][]*heldRun // live ones by path, the first one first
	faults  map[string]Fault      // by path: for the next run
	supers  map[string]*supervisor.Supervisor
	entered uint64
	doubles []string      // paths of runs that began while another went on that nobody had asked to stop
	moved   chan struct{} // holds something when a run has begun or ended, or a watch has seen an event
	free    chan struct{} // closed by Release
	freed   bool
}

// A Fault is what goes wrong with the next run of a child.
type Fault struct {
	Fail error         // its start fails
	Slow time.Duration // its start takes so much longer
	Hang time.Duration // so much longer it takes to stop
}

// A heldRun is a run.
type heldRun struct {
	outer   context.Context // ends when its supervisor wants it to
	cancel  context.CancelCauseFunc
	end     error // it is to end with this
	crashed bool
	hang    time.Duration
}

func newInjector() *Injector {
	return &Injector{
		runs:   make(map[string][]*heldRun),
		faults: make(map[string]Fault),
		supers: make(map[string]*supervisor.Supervisor),
		moved:  make(chan struct{}, 1),
		free:   make(chan struct{}),
	}
}

// Around holds the run of a child, and has it fail, hang or end as the test wants.
func (in *Injector) Around(ctx child.Context, run func(child.Context) error) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h, f := in.enter(ctx, cancel)
	defer in.leave(ctx.Path(), h)
	if f.Slow > 0 && child.Sleep(ctx, f.Slow) {
		return nil
	}
	if f.Fail != nil {
		return Raise(f.Fail)
	}
	err := run(child.FromContext(inner))
	crashed, hang, end := in.ended(h)
	switch {
	case ctx.ShouldHalt():
		in.linger(hang)
	case crashed:
		return Raise(end)
	}
	return err
}

func (in *Injector) enter(ctx child.Context, cancel context.CancelCauseFunc) (*heldRun, Fault) {
	path := ctx.Path()
	sup, _ := supervisor.FromContext(ctx)
	in.mu.Lock()
	defer in.mu.Unlock()
	f := in.faults[path]
	delete(in.faults, path)
	for _, other := range in.runs[path] {
		if other.outer.Err() == nil {
			in.doubles = append(in.doubles, path)
		}
	}
	h := &heldRun{outer: ctx, cancel: cancel, hang: f.Hang}
	in.runs[path] = append(in.runs[path], h)
	in.supers[sup.Path()] = sup
	in.entered++
	in.Stir()
	return h, f
}

func (in *Injector) leave(path string, h *heldRun) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.runs[path] = slices.DeleteFunc(in.runs[path], func(x *heldRun) bool { return x == h })
	if len(in.runs[path]) == 0 {
		delete(in.runs, path)
	}
	in.Stir()
}

// Stir wakes who waits for something to move.
func (in *Injector) Stir() {
	select {
	case in.moved <- struct{}{}:
	default:
	}
}

func (in *Injector) ended(h *heldRun) (crashed bool, hang time.Duration, end error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return h.crashed, h.hang, h.end
}

// linger holds up a run that was asked to stop.
func (in *Injector) linger(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.free:
	}
}

// Crash ends the run of the child at path: its context ends, and when it has
// returned the run ends with err. It reports false if there is none, but perhaps
// some that were asked to stop: nothing would come of their end.
func (in *Injector) Crash(path string, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.runs[path] {
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

// Hang has the latest run of the child at path take so much longer to stop.
func (in *Injector) Hang(path string, d time.Duration) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	runs := in.runs[path]
	if len(runs) == 0 {
		return false
	}
	runs[len(runs)-1].hang = d
	return true
}

// Plan says what is to go wrong with the next run of the child at path.
func (in *Injector) Plan(path string, f Fault) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.faults[path] = f
}

// Release lets all runs go that hang, now and from now on.
func (in *Injector) Release() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.freed {
		in.freed = true
		close(in.free)
	}
}

// Live returns how many runs there are, by path, and how many there have been.
func (in *Injector) Live() (by map[string]int, entered uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	by = make(map[string]int, len(in.runs))
	for path, runs := range in.runs {
		by[path] = len(runs)
	}
	return by, in.entered
}

// Twice returns the paths of runs that must not have begun.
func (in *Injector) Twice() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.doubles
}

// Super returns the supervisor at path, if it has ever started a child.
func (in *Injector) Super(path string) *supervisor.Supervisor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.supers[path]
}

// Moved returns a channel that has something when a run has begun or ended, or
// Stir was called.
func (in *Injector) Moved() <-chan struct{} { return in.moved }
