package machine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// Actions are written into memory that is reused. The actions of an earlier event must
// neither show up again nor keep anything from being collected.
func TestActionsAreClearedAfterEachEvent(t *testing.T) {
	for _, many := range []int{1, 2, 3, 10, 2000} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			m := New(Config{Strategy: strategy.Independent, Intensity: strategy.Unlimited()})
			m.batchSize = many
			specs := make([]child.Spec, many)
			for i := range specs {
				specs[i] = child.Spec{Name: fmt.Sprint(i), StopTimeout: child.Forever}
			}
			clean := func(after string) {
				t.Helper()
				m.clear()
				for i, a := range append(m.room[:], m.out[:cap(m.out)]...) {
					if a != (Action{}) {
						t.Fatalf("after %s, at %d: %+v", after, i, a)
					}
				}
				if cap(m.out) > maxKeptActions {
					t.Errorf("after %s there is still room for %d", after, cap(m.out))
				}
			}
			m.Boot(specs, nil, 0)
			clean("the boot")
			for c := m.First(); c != nil; c = c.Next() {
				m.Ready(c, c.Run(), 0)
			}
			clean("the starts")
			m.Exited(m.First(), 1, Outcome{Kind: Failure, Err: errors.New("boom")}, 0)
			clean("a failure")
			m.Stop(m.First(), false, &Waiter{Owner: 1}, 0)
			clean("a stop")
			m.Close(0)
			clean("the end")
		})
	}
}
