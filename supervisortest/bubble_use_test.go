package supervisortest_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

const elsewhere = " was created in another bubble, or outside: create and use it in the same function passed to Run or synctest.Test, or both outside"

// A channel of a bubble crashes the process when it is used outside, and a bubble in which
// a goroutine waits for something outside stands still. So a value of this package that is
// used in another bubble than its own fails the test.
func TestUseInAnotherBubbleSaysWhatToDo(t *testing.T) {
	ready := supervisortest.Match{Kind: supervisor.EventReady}
	for want, use := range map[string]func(t testing.TB, sup *supervisor.Supervisor, events *supervisortest.Recorder){
		"Await: the recorder" + elsewhere: func(t testing.TB, _ *supervisor.Supervisor, events *supervisortest.Recorder) { events.Await(t, ready) },
		"Order: the recorder" + elsewhere: func(t testing.TB, _ *supervisor.Supervisor, events *supervisortest.Recorder) {
			events.Order(t, "ready a")
		},
	} {
		tree := func() supervisor.Spec {
			return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: new(supervisortest.Child).Run}}}
		}
		t.Run("made outside", func(t *testing.T) {
			sup := supervisortest.Start(t, tree())
			events := supervisortest.Record(t, sup)
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, want, failing.Test(t, func(t testing.TB) { use(t, sup, events) }))
			})
		})
		t.Run("made in a bubble", func(t *testing.T) {
			made, used := make(chan *supervisortest.Harness), make(chan string)
			go func() {
				h := <-made
				used <- failing.Test(t, func(t testing.TB) { use(t, h.Supervisor, h.Events) })
			}()
			supervisortest.Run(t, tree, func(h *supervisortest.Harness) {
				made <- h
				require.Equal(t, want, <-used)
			})
		})
	}
}

func TestUseOfAChildOutsideTheBubbleOfItsRuns(t *testing.T) {
	a := &supervisortest.Child{StopAfter: child.Forever}
	ready, ended := make(chan struct{}), make(chan string)
	go func() {
		<-ready
		ended <- failing.Test(t, func(t testing.TB) { a.End(t, nil) })
	}()
	supervisortest.Run(t, func() supervisor.Spec {
		return supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}}
	}, func(h *supervisortest.Harness) {
		close(ready)
		require.Equal(t, "End: the child's run"+elsewhere, <-ended)
		a.Release() // or the stop would abandon it
	})
	a.Release() // its channels must not be touched here
}
