package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/supervisor"
)

func TestFlushReturnsWhenAllEventsBeforeItHaveBeenReceived(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		var received []int
		flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
			time.Sleep(time.Minute)
			received = append(received, len(events))
		}, supervisor.EventReady)
		restart := func(n int) {
			for range n {
				require.NoError(t, sup.RestartChild(t.Context(), "a"))
			}
		}
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
		restart(2)
		took(t, time.Minute, func() { require.NoError(t, flush(nil)) })
		require.Equal(t, []int{2}, received)
		took(t, 0, func() { require.NoError(t, flush(nil)) })

		restart(1)
		var all sync.WaitGroup
		for range 3 { // while f runs
			all.Go(func() { require.NoError(t, flush(t.Context())) })
		}
		time.Sleep(time.Second)
		restart(3)
		took(t, 2*time.Minute-time.Second, func() { require.NoError(t, flush(t.Context())) })
		require.Equal(t, []int{2, 1, 3}, received)
		all.Wait()

		ctx, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		restart(1)
		took(t, time.Second, func() { require.ErrorIs(t, flush(ctx), context.DeadlineExceeded) })
		require.ErrorIs(t, flush(ctx), context.DeadlineExceeded)
		took(t, time.Minute-time.Second, func() { require.NoError(t, flush(t.Context()), "it was hurried all the same") })
		require.NoError(t, flush(ctx), "there is nothing to wait for")

		restart(1)
		all.Go(func() {
			took(t, time.Second, func() { require.NoError(t, flush(t.Context()), "cancelled meanwhile") })
		})
		time.Sleep(time.Second)
		restart(1)
		all.Go(func() {
			took(t, 0, func() { require.NoError(t, flush(t.Context()), "cancelled meanwhile") })
		})
		synctest.Wait()
		took(t, time.Minute-time.Second, cancel)
		all.Wait()
		require.Equal(t, []int{2, 1, 3, 1, 1}, received)
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
	})
}

func TestFlushFromInsideACallbackDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		received := 0
		var flush func(context.Context) error
		flush, cancel := sup.SubscribeBatches(time.Hour, func(events []supervisor.Event) {
			received += len(events)
			if received == 1 {
				require.NoError(t, sup.RestartChild(context.Background(), "a"))
				require.NoError(t, flush(context.Background()))
				require.Equal(t, 1, received)
			}
		}, supervisor.EventReady)
		defer cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, func() { require.NoError(t, flush(t.Context())); synctest.Wait() })
		require.Equal(t, 2, received, "but it hurries")
		defer sup.Subscribe(func(supervisor.Event) { require.NoError(t, flush(context.Background())) }, supervisor.EventStopped)()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		took(t, 0, func() { require.NoError(t, flush(t.Context())) })
	})
}

// An asking context asks something of the tree when it is asked for its error.
type askingContext struct {
	context.Context
	ask func()
}

func (c askingContext) Err() error {
	c.ask()
	return c.Context.Err()
}

func TestFlushCallsTheContextWithoutALock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: named("a", idle)})
		synctest.Wait()
		flush, cancel := sup.SubscribeBatches(time.Hour, func([]supervisor.Event) { time.Sleep(time.Minute) }, supervisor.EventReady)
		defer cancel()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		asked := 0
		ended, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		ctx := askingContext{ended, func() {
			asked++
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
		}}
		require.ErrorIs(t, flush(ctx), context.DeadlineExceeded)
		require.NotZero(t, asked)
	})
}
