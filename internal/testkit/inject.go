package testkit

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// An Injector injects faults into the runs of a tree, at any depth: it ends a run, delays
// its start, or makes it hang. Its Around is the tree's Spec.Around.
type Injector struct {
	mu      sync.Mutex
	runs    map[string][]*heldRun // live runs by path, in the order of their starts
	faults  map[string]Fault      // for the next run, by path
	supers  map[string]*supervisor.Supervisor
	entered uint64        // runs that have begun
	doubles []string      // paths of runs that began while another, not asked to stop, was running
	moved   chan struct{} // not empty after a run has begun or ended, or Stir was called
	free    chan struct{} // closed by Release
	freed   bool
}

// A Fault is what goes wrong with the next run of a child.
type Fault struct {
	Fail error         // how its start fails
	Slow time.Duration // a delay of its start
	Hang time.Duration // a delay of its stop
}

// A heldRun is a run under an Injector.
type heldRun struct {
	outer   context.Context // ends when its supervisor stops it
	cancel  context.CancelCauseFunc
	end     error // how it ends if it crashed
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

// Around runs a child with the faults that were injected. It is an Around of
// supervisor.Spec.
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

// Stir fills the channel of Moved.
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

// linger delays the return of a run that was asked to stop.
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

// Crash cancels the context of the run of the child at path; when it returns, the run
// ends with err. Crash reports false if no run is there, or only runs that were asked to
// stop: their end would cause nothing.
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

// Hang delays the stop of the latest run of the child at path by d. It reports false if
// there is no run.
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

// Plan injects a fault into the next run of the child at path.
func (in *Injector) Plan(path string, f Fault) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.faults[path] = f
}

// Release ends the hangs of all present and future runs.
func (in *Injector) Release() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.freed {
		in.freed = true
		close(in.free)
	}
}

// Live returns the number of live runs by path, and the number of all runs so far.
func (in *Injector) Live() (by map[string]int, entered uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	by = make(map[string]int, len(in.runs))
	for path, runs := range in.runs {
		by[path] = len(runs)
	}
	return by, in.entered
}

// Twice returns the paths of runs that began while an earlier run of the same child, which
// had not been asked to stop, was still running.
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

// Moved returns a channel that receives a value after a run has begun or ended, or Stir
// was called.
func (in *Injector) Moved() <-chan struct{} { return in.moved }
