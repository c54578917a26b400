package machine

import (
	"testing"

	"github.com/coppice-go/coppice/child"
)

// A replaced child that waits for its backoff starts with its new spec, also if a child that it
// needs from now on is being stopped.
func TestReplaceWithANeedThatIsBeingStopped(t *testing.T) {
	m := graphMachine(worker("a"), worker("b", backoff), worker("x", needs("a")), worker("y", needs("b")))
	settleAll(t, m)
	a, b := m.Child("a"), m.Child("b")
	m.Exited(b, b.run, fails[0], 0)
	settleAll(t, m)
	m.Stop(m.Child("x"), false, nil, 0)
	settleAll(t, m)
	m.Stop(a, false, nil, 0) // it is asked, and does not return yet
	drain(m)
	spec := worker("b", needs("a"))
	m.Replace(b, &spec, nil, 0)
	settleAll(t, m)
	m.Exited(a, a.run, Outcome{}, 0)
	settleAll(t, m)
	if b.Spec != &spec || b.state != child.Running || a.state != child.Running {
		t.Errorf("b is %v, with its new spec: %v; a is %v", b.state, b.Spec == &spec, a.state)
	}
}
