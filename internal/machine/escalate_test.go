package machine

import (
	"errors"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A child that escalates has ended, so the supervisor does not wait for it when it stops
// the others.
func TestEscalationDoesNotWaitForItsChild(t *testing.T) {
	failed := Outcome{Kind: Escalated, Err: errors.New("disk full")}
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne, strategy.Independent} {
		for _, ready := range []bool{false, true} {
			m := New(Config{Strategy: s})
			m.Boot([]child.Spec{{Name: "a"}, {Name: "b"}}, nil, 0)
			a, b := m.Child("a"), m.Child("b")
			m.Ready(a, a.Run(), 0)
			if ready {
				m.Ready(b, b.Run(), 0)
			}
			m.Exited(b, b.Run(), failed, 1)
			if m.Phase() != Closing || b.State() != child.Stopped || m.Live() != 1 || a.State() != child.Stopping {
				t.Errorf("%v, ready %v: phase %d, %d alive, a %v, b %v", s, ready, m.Phase(), m.Live(), a.State(), b.State())
			}
			m.Exited(a, a.Run(), Outcome{}, 2)
			if m.Phase() != Over || m.End() != (End{Kind: EndEscalated, Child: b, Err: failed.Err}) {
				t.Errorf("%v, ready %v: phase %d, end %+v", s, ready, m.Phase(), m.End())
			}
		}
	}
}
