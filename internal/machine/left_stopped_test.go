package machine

import (
	"errors"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// When the retry of a is cancelled, the children that stopped with it are reported as left
// stopped, except those that a caller has stopped since.
func TestChildStoppedByRequestIsNotReportedAsLeftStopped(t *testing.T) {
	m := New(Config{Strategy: strategy.RestForOne, Backoff: true})
	m.Boot([]child.Spec{{Name: "a"}, {Name: "b"}, {Name: "c"}}, nil, 0)
	a, b, c := m.Child("a"), m.Child("b"), m.Child("c")
	for _, x := range []*Child{a, b, c} {
		m.Ready(x, 1, 0)
	}
	m.Exited(a, 1, Outcome{Kind: Failure, Err: errors.New("x")}, 1)
	m.Exited(c, 1, Outcome{}, 1)
	m.Exited(b, 1, Outcome{}, 1)
	m.BackoffDelay(a, 1000, 1)
	if a.State() != child.Waiting || b.State() != child.Stopped || c.State() != child.Stopped {
		t.Fatalf("a %v, b %v, c %v", a.State(), b.State(), c.State())
	}
	m.Stop(b, false, nil, 2)
	var left []string
	m.Stop(a, false, nil, 3)
	for _, x := range drain(m) {
		if x.Kind == Publish && x.Err == ErrLeftStopped {
			left = append(left, x.Child.Spec.Name)
		}
	}
	if len(left) != 1 || left[0] != "c" {
		t.Errorf("reported as left stopped: %v, want only c", left)
	}
}
