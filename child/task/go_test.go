package task_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestManyWaitForOneResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 2})
		release := make(chan struct{})
		one := task.Go(bg, p, "one", func(context.Context) (int, error) { <-release; return 42, nil })
		got := make(chan int, 10)
		for range cap(got) {
			go func() {
				v, err := one.Wait(bg)
				if err != nil {
					t.Error(err)
				}
				got <- v
			}()
		}
		ctx, cancel := context.WithCancelCause(bg)
		cancel(errBoom)
		_, err := one.Wait(ctx)
		require.ErrorIs(t, err, errBoom, "the task goes on")
		select {
		case <-one.Done():
			t.Error("done")
		default:
		}
		close(release)
		for range cap(got) {
			require.Equal(t, 42, <-got)
		}
		<-one.Done()
		v, err := one.Wait(ctx)
		require.NoError(t, err, "the result is there")
		require.Equal(t, 42, v)
	})
}

func TestGoWaitsForItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 2})
		hour := func(ctx context.Context) (bool, error) { return child.Sleep(ctx, time.Hour), nil }
		began := time.Now()
		for i := range 6 {
			task.Go(bg, p, "x", hour)
			require.Equal(t, time.Duration(i/2)*time.Hour, time.Since(began))
		}
		ctx, cancel := context.WithCancelCause(bg)
		cancel(errBoom)
		_, err := task.Go(ctx, p, "x", func(context.Context) (int, error) { t.Error("called"); return 0, nil }).Wait(bg)
		require.ErrorIs(t, err, errBoom)
		ctx, stop := context.WithTimeoutCause(bg, time.Minute, errBoom)
		defer stop()
		_, err = task.Go(ctx, p, "x", func(context.Context) (int, error) { t.Error("called"); return 0, nil }).Wait(bg)
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, 2*time.Hour+time.Minute, time.Since(began))
	})
}

func TestATaskEndsWithTheContextOfItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 2})
		type key struct{}
		ctx, cancel := context.WithCancelCause(context.WithValue(bg, key{}, "v"))
		one := task.Go(ctx, p, "one", func(ctx context.Context) (any, error) { return ctx.Value(key{}), until(ctx) })
		synctest.Wait()
		cancel(errBoom)
		v, err := one.Wait(bg)
		require.Equal(t, "v", v)
		require.Equal(t, errBoom, err)
		var used context.Context
		_, _ = task.Go(bg, p, "one", func(ctx context.Context) (int, error) { used = ctx; return 0, nil }).Wait(bg)
		require.Error(t, used.Err(), "it ends with the function")
	})
}

func TestTimeoutCountsFromTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 1, Timeout: 10 * time.Second})
		began := time.Now()
		first := task.Go(bg, p, "one", func(ctx context.Context) (int, error) { return 0, until(ctx) })
		second := task.Go(bg, p, "two", func(ctx context.Context) (int, error) {
			return 0, fmt.Errorf("get x: %w", until(ctx))
		})
		_, err := second.Wait(bg)
		require.Equal(t, 20*time.Second, time.Since(began))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "get x: context deadline exceeded (timed out after 10s)")
		_, err = first.Wait(bg)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "timed out after 10s")
		_, err = task.Go(bg, p, "late", func(ctx context.Context) (int, error) { return 1, errors.Join(until(ctx), context.Cause(ctx)) }).Wait(bg)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		v, err := task.Go(bg, p, "late", func(ctx context.Context) (int, error) { _ = until(ctx); return 1, nil }).Wait(bg)
		require.NoError(t, err, "a result that comes late is a result")
		require.Equal(t, 1, v)
	})
}

func TestAPanicIsAnErrorWithThePathOfTheTask(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 1})
		reported := root.Watch(t.Context(), "fetches", supervisor.EventError)
		_, err := task.Go(bg, p, "a/b\n", func(context.Context) (int, error) { panic("boom") }).Wait(bg)
		require.EqualError(t, err, "/shop/fetches/a%2Fb%0A: panic: boom")
		var panicked *child.PanicError
		require.ErrorAs(t, err, &panicked)
		require.Contains(t, string(panicked.Stack()), "go_test.go")
		require.Equal(t, err, (<-reported).Err)

		_, err = task.Go(bg, p, "one", func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }).Wait(bg)
		require.ErrorIs(t, err, child.ErrGoexit)
		require.ErrorContains(t, err, "/shop/fetches/one: ")
		require.ErrorIs(t, (<-reported).Err, child.ErrGoexit)
		_, err = task.Go(bg, p, "one", func(context.Context) (int, error) { panic(rude{}) }).Wait(bg)
		require.ErrorIs(t, err, child.ErrGoexit)

		v, err := task.Go(bg, p, "one", func(context.Context) (int, error) { return 1, nil }).Wait(bg)
		require.NoError(t, err, "the pool goes on")
		require.Equal(t, 1, v)
		require.Equal(t, task.State{Limit: 1, Done: 4, Failed: 3}, p.State())
		_, err = task.Go[int](bg, p, "nil", nil).Wait(bg)
		require.ErrorAs(t, err, &panicked)
	})
}

// A rude is the value of a panic whose text ends the goroutine.
type rude struct{}

func (rude) Error() string { runtime.Goexit(); return "" }

func TestTheEndOfThePoolEndsAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 2})
		var tasks []*task.Task[int]
		for range 2 {
			tasks = append(tasks, task.Go(bg, p, "runs", func(ctx context.Context) (int, error) {
				_ = until(ctx)
				time.Sleep(time.Second)
				return 0, context.Cause(ctx)
			}))
		}
		waits := make(chan *task.Task[int])
		go func() {
			waits <- task.Go(bg, p, "waits", func(context.Context) (int, error) { t.Error("called"); return 0, nil })
		}()
		synctest.Wait()
		require.Equal(t, task.State{Limit: 2, Running: 2, Waiting: 1}, p.State())
		began := time.Now()
		require.NoError(t, root.Stop(bg))
		require.Equal(t, time.Second, time.Since(began), "it waits for what runs")
		for _, one := range append(tasks, <-waits) {
			_, err := one.Wait(bg)
			require.ErrorIs(t, err, child.ErrStopped)
		}
		_, err := task.Go(bg, p, "late", func(context.Context) (int, error) { return 0, nil }).Wait(bg)
		require.ErrorIs(t, err, child.ErrGone)
	})
}

func TestCallsWaitForThePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := task.New(task.Spec{})
		require.Equal(t, task.State{Limit: runtime.GOMAXPROCS(0)}, p.State())
		got := make(chan error)
		go func() {
			_, err := task.Go(bg, p, "early", func(context.Context) (int, error) { return 0, nil }).Wait(bg)
			got <- err
		}()
		synctest.Wait()
		root := testkit.Root(t, supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: p.Run}}})
		require.NoError(t, root.Start(bg))
		require.NoError(t, <-got)
		require.NoError(t, root.Stop(bg))
	})
}

func TestATaskThatDoesNotReturnIsAbandonedWithThePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 1})
		release := make(chan struct{})
		one := task.Go(bg, p, "stubborn", func(context.Context) (int, error) { <-release; return 1, nil })
		var stop *supervisor.StopError
		require.ErrorAs(t, root.StopChild(bg, "fetches"), &stop)
		require.NoError(t, root.RestartChild(bg, "fetches"))
		v, err := task.Go(bg, p, "next", func(context.Context) (int, error) { return 2, nil }).Wait(bg)
		require.NoError(t, err, "the next run of the pool is not disturbed")
		require.Equal(t, 2, v)
		close(release)
		v, err = one.Wait(bg)
		require.NoError(t, err)
		require.Equal(t, 1, v)
	})
}

func TestWhatIsRefused(t *testing.T) {
	var none context.Context
	p := task.New(task.Spec{Limit: -1, Timeout: -1})
	one := task.Go(none, p, "x", func(context.Context) (int, error) { return 0, nil })
	_, err := one.Wait(bg)
	require.ErrorContains(t, err, "nil context")
	_, err = one.Wait(none)
	require.ErrorContains(t, err, "nil context")
	_, err = task.Go(bg, nil, "x", func(context.Context) (int, error) { return 0, nil }).Wait(bg)
	require.ErrorContains(t, err, "nil pool")
	err = p.Run(child.FromContext(bg))
	require.ErrorContains(t, err, "Limit: negative: -1")
	require.ErrorContains(t, err, "Timeout: negative: -1ns")
	require.ErrorContains(t, p.Run(nil), "nil context")
}
