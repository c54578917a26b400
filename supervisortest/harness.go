package supervisortest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A Harness drives a tree in virtual time. Its methods belong into the function
// that is given to Run, on that function's goroutine.
type Harness struct {
	// T is the test inside of the bubble: use it in place of the outer one.
	T testing.TB
	// Supervisor is the root. It runs.
	Supervisor *supervisor.Supervisor
	// Events has what happened since before the start.
	Events *Recorder

	tree *testedTree
	over bool
}

// Run runs a tree in a testing/synctest bubble and calls f with it: time passes
// at once when all that runs waits for it. When f returns, the tree is stopped,
// and the test fails if anything is left: a run that did not stop, with its
// stack, or a goroutine that a child has left behind, with the child's name.
//
// Run calls tree in the bubble, once. What the children wait on, such as a
// channel, must be made there too, in tree, in Run of the child or in f: one that was
// made before Run belongs to no bubble, and time stands still while a child waits
// for it.
//
// In a bubble already, Run uses that. Otherwise t must be a *testing.T.
func Run(t testing.TB, tree func() supervisor.Spec, f func(h *Harness)) {
	t.Helper()
	switch {
	case tree == nil:
		t.Fatalf("Run: tree is nil")
		return
	case f == nil:
		t.Fatalf("Run: f is nil")
		return
	}
	testkit.Virtually(t, "Run", func(t testing.TB) {
		t.Helper()
		gate, spec := newGate(t, tree())
		tr := newTestedTree(t, spec)
		h := &Harness{T: t, Supervisor: tr.Sup, Events: tr.events, tree: tr}
		defer func() {
			t.Helper()
			h.over = true
			tr.stop(t)
			gate.check(t)
			tr.end(t)
			testkit.Settle()
		}()
		tr.start(t)
		f(h)
	})
}

// usable fails the test if the harness is used where it cannot work.
func (h *Harness) usable(method string) bool {
	h.T.Helper()
	switch {
	case h.over:
		h.T.Fatalf("%s: Run has returned: use the Harness in the function that is given to Run only", method)
	case !testkit.InBubble():
		h.T.Fatalf("%s: not in the bubble: call it on the goroutine of the function that is given to Run", method)
	default:
		return true
	}
	return false
}

// Crash has the run of a child end with err: with nil, an error, Panic or child.ErrGoexit.
// Its context ends, and when its Run has returned, err is what counts. Then it
// waits, as Settle does, for all that follows at once. Events before the crash are
// taken as read: what Events awaits next is what came of it. A path is a name, a path
// from the root (jobs/job-17), or a full one. A supervisor can be crashed too:
// its children are stopped first.
func (h *Harness) Crash(path string, err error) {
	h.T.Helper()
	if !h.usable("Crash") {
		return
	}
	synctest.Wait()
	h.Events.Skip()
	if !h.tree.Injector.Crash(fullPath(h.Supervisor.Path(), path), err) {
		h.T.Fatalf("crash: no child %s runs; these are the children:\n%v\n%v",
			fullPath(h.Supervisor.Path(), path), h.Tree(), h.Events.show())
		return
	}
	synctest.Wait()
}

// Settle waits until nothing more happens without time passing.
func (h *Harness) Settle() {
	h.T.Helper()
	if h.usable("Settle") {
		synctest.Wait()
	}
}

// Advance lets d of virtual time pass, and all that happens in it.
func (h *Harness) Advance(d time.Duration) {
	h.T.Helper()
	switch {
	case !h.usable("Advance"):
	case d < 0:
		h.T.Fatalf("Advance: %v: time does not go back", d)
	default:
		time.Sleep(d)
		synctest.Wait()
	}
}

// Tree returns the tree as it is now. It prints well.
func (h *Harness) Tree() supervisor.Tree { return h.Supervisor.Tree() }

// Child returns what is known of a child, and fails the test if there is none.
func (h *Harness) Child(path string) child.Status {
	h.T.Helper()
	st, ok := h.Supervisor.Lookup(path)
	if !ok {
		h.T.Fatalf("no child %s; these are the children:\n%v", fullPath(h.Supervisor.Path(), path), h.Tree())
	}
	return st
}
