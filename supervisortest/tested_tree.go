package supervisortest

import (
	"context"
	"testing"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A testedTree is a tree under test with the record of its events.
type testedTree struct {
	*testkit.Tree
	events  *Recorder
	stopped bool
}

func newTestedTree(t testing.TB, spec supervisor.Spec) *testedTree {
	tr := testkit.New(t, spec)
	events := newRecorder(tr.Sup)
	tr.Events = events
	return &testedTree{Tree: tr, events: events}
}

func (tr *testedTree) start(t testing.TB) {
	t.Helper()
	if err := tr.Sup.Start(tr.Ctx); err != nil {
		t.Fatalf("start: %v\n%v", report(err), tr.events.show())
	}
}

// stop stops the tree once, and fails the test for abandoned runs and unclean ends.
func (tr *testedTree) stop(t testing.TB) {
	t.Helper()
	if tr.stopped {
		return
	}
	tr.stopped = true
	failed := t.Failed()
	testkit.Settle() // for runs that the test has just released
	err := tr.Sup.Stop(context.Background())
	testkit.Settle() // for the last events
	switch {
	case err != nil && !tr.excuses(err):
		t.Errorf("stop: %v\n%v", report(err), tr.events.show())
	case failed && !tr.events.wasShown():
		t.Logf("%v", tr.events)
	}
}

// excuses reports whether a stop error lists only ends that the test itself has caused:
// chaos may crash a run at the very moment at which it is stopped.
func (tr *testedTree) excuses(err error) bool {
	stop, ok := err.(*supervisor.StopError)
	if !ok || tr.Excused == nil || len(stop.Abandoned) > 0 {
		return false
	}
	for _, end := range stop.Unclean {
		if !tr.Excused(end) {
			return false
		}
	}
	return true
}

// end stops the tree and then releases whatever still hangs.
func (tr *testedTree) end(t testing.TB) {
	t.Helper()
	tr.stop(t)
	tr.letGo()
}

// letGo releases whatever hangs, after the test has seen the stop.
func (tr *testedTree) letGo() {
	tr.LetGo()
	tr.events.cancel()
}
