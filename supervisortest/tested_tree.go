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

// stop stops the tree, and reports the runs that were abandoned.
func (tr *testedTree) stop(t testing.TB) {
	t.Helper()
	if tr.stopped {
		return
	}
	tr.stopped = true
	failed := t.Failed()
	testkit.Settle() // for those that the test has just let go
	err := tr.Sup.Stop(context.Background())
	testkit.Settle() // for the last events
	switch {
	case err != nil && !tr.excuses(err):
		t.Errorf("stop: %v\n%v", report(err), tr.events.show())
	case failed && !tr.events.wasShown():
		t.Logf("%v", tr.events)
	}
}

// excuses reports whether a stop says no more than that runs ended as the test had
// them end: chaos may have them crash at the very moment at which they are stopped.
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

// end stops the tree, and lets go of all that hangs.
func (tr *testedTree) end(t testing.TB) {
	t.Helper()
	tr.stop(t)
	tr.letGo()
}

// letGo lets go of all that hangs, when the test has seen the stop.
func (tr *testedTree) letGo() {
	tr.LetGo()
	tr.events.cancel()
}
