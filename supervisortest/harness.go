package supervisortest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A Harness drives a tree in virtual time. Call its methods only in the function passed to
// Run, on that function's goroutine.
type Harness struct {
	// T is the test inside the bubble. Use it instead of the outer one.
	T testing.TB
	// Supervisor is the root. It has started.
	Supervisor *supervisor.Supervisor
	// Events records the tree from its first start.
	Events *Recorder

	tree *testedTree
	over bool
}

// Run starts a tree in a testing/synctest bubble and calls f with it. In the bubble, time
// is virtual: it advances at once when every goroutine is waiting. When f returns, Run
// stops the tree. The test fails if the tree cannot start, if its stop returns an error,
// such as an abandoned run with its stack, or if a child has leaked a goroutine, with the
// child's path.
//
// Run calls tree once, in the bubble. Whatever the children wait on, such as a channel,
// must be created there too: in tree, in the child's own Run, or in f. A channel created
// before Run belongs to no bubble, and virtual time does not advance while a child waits
// on it.
//
// If the caller is in a bubble already, Run uses that bubble. Otherwise t must be a
// *testing.T.
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

// usable reports whether the harness is used in its bubble and in time. If not, it fails
// the test.
func (h *Harness) usable(method string) bool {
	h.T.Helper()
	switch {
	case h.over:
		h.T.Fatalf("%s: Run has returned: use the Harness only in the function passed to Run", method)
	case !testkit.InBubble():
		h.T.Fatalf("%s: not in the bubble: call it on the goroutine of the function passed to Run", method)
	default:
		return true
	}
	return false
}

// Crash makes the run of a child end with err: nil, an error, the result of Panic, or
// child.ErrGoexit. It cancels the context of the run; when the child's Run returns, err
// takes the place of what it returned. Then Crash waits, as Settle does, for what follows
// at once. It first moves the read position of Events behind the events so far: the next
// Await sees what the crash has caused.
//
// The path is a name, a path from the root (jobs/job-17), or a full path
// (/root/jobs/job-17). A supervisor can be crashed too: its children are stopped first.
func (h *Harness) Crash(path string, err error) {
	h.T.Helper()
	if !h.usable("Crash") {
		return
	}
	synctest.Wait()
	h.Events.Skip()
	if !h.tree.Injector.Crash(fullPath(h.Supervisor.Path(), path), err) {
		h.T.Fatalf("Crash: no child %s is running; the tree is:\n%v\n%v",
			fullPath(h.Supervisor.Path(), path), h.Tree(), h.Events.show())
		return
	}
	synctest.Wait()
}

// Settle waits until every goroutine in the bubble is blocked: nothing more happens until
// time advances.
func (h *Harness) Settle() {
	h.T.Helper()
	if h.usable("Settle") {
		synctest.Wait()
	}
}

// Advance lets d of virtual time pass, and waits for everything that happens in it. It
// must not be negative.
func (h *Harness) Advance(d time.Duration) {
	h.T.Helper()
	switch {
	case !h.usable("Advance"):
	case d < 0:
		h.T.Fatalf("Advance: d is %v: it must not be negative", d)
	default:
		time.Sleep(d)
		synctest.Wait()
	}
}

// Tree returns a snapshot of the tree. Its String is a drawing with the state of each
// child.
func (h *Harness) Tree() supervisor.Tree { return h.Supervisor.Tree() }

// Child returns the status of the child at path, which has the forms that Crash takes. It
// fails the test if there is none.
func (h *Harness) Child(path string) child.Status {
	h.T.Helper()
	st, ok := h.Supervisor.Lookup(path)
	if !ok {
		h.T.Fatalf("Child: no child %s; the tree is:\n%v", fullPath(h.Supervisor.Path(), path), h.Tree())
	}
	return st
}
