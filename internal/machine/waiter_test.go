package machine

import (
	"slices"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
)

// answered returns the callers that the latest event answers, in order.
func answered(m *Machine) (who []any) {
	for _, a := range drain(m) {
		if a.Kind == Answer {
			who = append(who, a.Waiter.Owner)
		}
	}
	return who
}

func TestCallersAreAnsweredInOrder(t *testing.T) {
	m := New(Config{})
	m.Boot([]child.Spec{worker("a")}, nil, 0)
	a := m.First()
	m.Ready(a, 1, 0)
	for who := range 6 {
		if who%2 == 0 {
			m.Stop(a, false, &Waiter{Owner: who}, 0)
		} else {
			m.Restart(a, &Waiter{Owner: who}, 0)
		}
	}
	m.Exited(a, 1, Outcome{}, 0)
	if got := answered(m); !slices.Equal(got, []any{0, 2, 4}) {
		t.Errorf("when it has stopped: %v", got)
	}
	m.Restart(a, &Waiter{Owner: 6}, 0)
	m.Stop(a, false, &Waiter{Owner: 7}, 0)
	m.Restart(a, &Waiter{Owner: 8}, 0)
	m.Exited(a, 2, Outcome{}, 0)
	if got := answered(m); !slices.Equal(got, []any{7}) {
		t.Errorf("when it has stopped again: %v", got)
	}
	m.Ready(a, 3, 0)
	if got := answered(m); !slices.Equal(got, []any{1, 3, 5, 6, 8}) {
		t.Errorf("when it is ready: %v", got)
	}
	if a.lastWaiter != nil {
		t.Error("a caller still waits")
	}
}

// A child that hangs may collect many callers, most of which have given up. Another one
// costs no more than the first.
func TestManyCallersCanWaitForOneChild(t *testing.T) {
	const many = 200_000
	m := New(Config{})
	m.Boot([]child.Spec{worker("a")}, nil, 0)
	a := m.First()
	m.Ready(a, 1, 0)
	began := time.Now()
	for range many {
		m.Stop(a, false, new(Waiter), 0)
	}
	m.Exited(a, 1, Outcome{}, 0)
	if n := len(answered(m)); n != many {
		t.Errorf("%d were answered", n)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
