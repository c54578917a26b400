package supervisor_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestCancelOfBatchesDropsWhatIsQueuedAndWaitsForACallUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		var calls atomic.Int32
		var running atomic.Bool
		f := func([]supervisor.Event) {
			calls.Add(1)
			running.Store(true)
			time.Sleep(time.Minute)
			running.Store(false)
		}
		_, cancel := sup.SubscribeBatches(time.Second, f)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, cancel)
		time.Sleep(time.Hour)
		require.Zero(t, calls.Load(), "the batch had waited")
		_, cancel = sup.SubscribeBatches(time.Second, f)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(2 * time.Second)
		require.True(t, running.Load())
		took(t, time.Minute-time.Second, cancel)
		require.False(t, running.Load())
		took(t, 0, cancel)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, calls.Load())

		var within func()
		_, within = sup.SubscribeBatches(time.Second, func([]supervisor.Event) { calls.Add(1); within() })
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		time.Sleep(time.Hour)
		require.EqualValues(t, 2, calls.Load())
	})
}

func TestWhatEndsATreeReturnsWhenItsBatchesHaveBeenReceived(t *testing.T) {
	for name, end := range treeEnds() {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inner := supervisor.New(supervisor.Spec{Children: named("z", idle)})
				sup := newRoot(supervisor.Spec{Children: append(named("a", idle), child.Spec{Name: "in", Run: inner.Run})})
				var received [20]atomic.Int32
				for i := range received {
					s := []*supervisor.Supervisor{sup, inner}[i%2]
					_, cancel := s.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
						time.Sleep(900 * time.Millisecond) // each of them: they do not wait for each other
						received[i].Add(int32(len(events)))
					}, supervisor.EventStopped)
					defer cancel()
				}
				end(t, sup)
				for i := range received {
					require.EqualValues(t, []int32{3, 1}[i%2], received[i].Load())
				}
			})
		})
	}
}

func TestASubscriberToBatchesThatBlocksCostsTheEndOfATreeOneSecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: named("a", idle)})
		free := make(chan struct{})
		defer close(free)
		sup.SubscribeBatches(time.Hour, func([]supervisor.Event) { <-free })
		require.NoError(t, sup.Start(t.Context()))
		took(t, time.Second, func() { require.NoError(t, sup.Stop(t.Context())) })
	})
}
