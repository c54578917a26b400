package task_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
)

func TestEachCallsFForAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 4})
		var sum atomic.Int64
		began := time.Now()
		require.NoError(t, task.Each(bg, p, numbers(100, nil), func(_ context.Context, i int) error {
			sum.Add(int64(i))
			time.Sleep(time.Second)
			return nil
		}))
		require.EqualValues(t, 4950, sum.Load())
		require.Equal(t, 25*time.Second, time.Since(began))
	})
}

func TestTheFirstErrorEndsEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 4})
		pulled := 0
		var ended atomic.Int64
		err := task.Each(bg, p, numbers(-1, &pulled), func(ctx context.Context, i int) error {
			defer ended.Add(1)
			if i == 2 {
				time.Sleep(time.Second)
				return errBoom
			}
			err := until(ctx)
			require.Equal(t, errBoom, context.Cause(ctx))
			time.Sleep(time.Second)
			return err
		})
		require.Equal(t, errBoom, err)
		require.EqualValues(t, 4, ended.Load(), "it waits for all")
		require.LessOrEqual(t, pulled, 5)
		for what, f := range map[string]func(context.Context, int) error{
			"/shop/fetches/each-0: panic: boom": func(context.Context, int) error { panic("boom") },
			"/shop/fetches/each-0: ":            func(context.Context, int) error { runtime.Goexit(); return nil },
		} {
			require.ErrorContains(t, task.Each(bg, p, numbers(1, nil), f), what)
		}
	})
}

func TestAnEachThatEndsEarlySaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 2})
		sleep := func(context.Context, int) error { time.Sleep(time.Second); return nil }
		ctx, cancel := context.WithCancelCause(bg)
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errBoom) })
		require.ErrorIs(t, task.Each(ctx, p, numbers(-1, nil), sleep), errBoom)
		require.ErrorIs(t, task.Each(ctx, p, numbers(1, nil), sleep), errBoom)
		require.NoError(t, task.Each(ctx, p, numbers(0, nil), sleep), "nothing was missed")
		time.AfterFunc(1500*time.Millisecond, func() { _ = root.StopChild(bg, "fetches") })
		require.ErrorIs(t, task.Each(bg, p, numbers(-1, nil), sleep), child.ErrStopped)
	})
}
