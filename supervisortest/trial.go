package supervisortest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A trial is a tree under test: its root, what happens in it, and a grip on all
// its runs.
type trial struct {
	spec    supervisor.Spec
	sup     *supervisor.Supervisor
	events  *Recorder
	grip    *grip
	ctx     context.Context // to start it with
	over    chan struct{}   // closed when the test has seen the stop: whoever hangs may go
	stopped bool
	chaotic bool // Chaos has been at it
}

// overKey is where children find trial.over, so that scripted ones which hang
// end with the test, wherever in the tree they are.
type overKey struct{}

// trials are those that have not ended, so that Record and Chaos find what
// belongs to a supervisor.
var trials = struct {
	sync.Mutex
	of map[*supervisor.Supervisor]*trial
}{of: make(map[*supervisor.Supervisor]*trial)}

func trialOf(sup *supervisor.Supervisor) *trial {
	trials.Lock()
	defer trials.Unlock()
	return trials.of[sup]
}

func newTrial(t testing.TB, spec supervisor.Spec) *trial {
	tr := &trial{spec: spec, grip: newGrip(), over: make(chan struct{})}
	if spec.Logger == nil {
		spec.Logger = slog.New(slog.DiscardHandler)
	}
	spec.Around = outer(tr.grip.around, spec.Around)
	tr.sup = supervisor.New(spec)
	tr.events = newRecorder(tr.sup)
	tr.ctx = context.WithValue(t.Context(), overKey{}, tr.over)
	trials.Lock()
	defer trials.Unlock()
	trials.of[tr.sup] = tr
	return tr
}

func (tr *trial) start(t testing.TB) {
	t.Helper()
	if err := tr.sup.Start(tr.ctx); err != nil {
		t.Fatalf("start: %v\n%v", report(err), tr.events.show())
	}
}

// stop stops the tree, and says who was left behind.
func (tr *trial) stop(t testing.TB) {
	t.Helper()
	if tr.stopped {
		return
	}
	tr.stopped = true
	failed := t.Failed()
	settle() // for those that the test has just let go
	err := tr.sup.Stop(context.Background())
	settle() // for the last events
	switch {
	case err != nil && !(tr.chaotic && byChaos(err)):
		t.Errorf("stop: %v\n%v", report(err), tr.events.show())
	case failed && !tr.events.wasShown():
		t.Logf("%v", tr.events)
	}
}

// byChaos reports whether a stop says no more than that runs ended as Chaos had them end:
// it may have them crash at the very moment at which they are stopped.
func byChaos(err error) bool {
	stop, ok := err.(*supervisor.StopError)
	if !ok || len(stop.Left) > 0 {
		return false
	}
	for _, end := range stop.Unclean {
		if !errors.Is(end, ErrChaos) && !errors.Is(end, child.ErrGoexit) {
			return false
		}
	}
	return true
}

// end stops the tree, and lets go of whoever hangs.
func (tr *trial) end(t testing.TB) {
	t.Helper()
	tr.stop(t)
	tr.letGo()
}

// letGo lets go of whoever hangs, when the test has seen the stop.
func (tr *trial) letGo() {
	close(tr.over)
	tr.grip.release()
	tr.events.cancel()
	trials.Lock()
	defer trials.Unlock()
	delete(trials.of, tr.sup)
}

type around = func(ctx child.Context, run func(child.Context) error) error

// outer puts an Around outside of another, which may be nil.
func outer(a, b around) around {
	if b == nil {
		return a
	}
	return func(ctx child.Context, run func(child.Context) error) error {
		return a(ctx, func(ctx child.Context) error { return b(ctx, run) })
	}
}
