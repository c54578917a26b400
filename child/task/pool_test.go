package task_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestPoolKeepsTheContractOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		supervisortest.Check(t, func() child.Runnable { return task.New(task.Spec{Limit: 2}) })
	})
}

func TestTheStatusTextHasTheNumbers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 2})
		text := func() string {
			synctest.Wait()
			st, _ := root.Lookup("fetches")
			return st.Text
		}
		require.Equal(t, "0 of 2 running; 0 done", text())
		texts := 0
		defer root.Subscribe(func(supervisor.Event) { texts++ }, supervisor.EventStatus)()
		for range 10_000 {
			_, _ = task.Go(bg, p, "x", func(context.Context) (int, error) { return 0, errBoom }).Wait(bg)
		}
		time.Sleep(time.Second)
		require.Equal(t, "0 of 2 running; 10000 done, 10000 failed", text())
		go func() {
			_ = task.Each(bg, p, numbers(3, nil), func(context.Context, int) error { time.Sleep(time.Hour); return nil })
		}()
		time.Sleep(2 * time.Second)
		require.Equal(t, "2 of 2 running, 1 waiting; 10000 done, 10000 failed", text())
		time.Sleep(3 * time.Hour)
		require.Equal(t, "0 of 2 running; 10003 done, 10000 failed", text())
		require.Less(t, texts, 10)
	})
}

func TestAZeroPoolIsOneOfTheZeroSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var p task.Pool
		root := testkit.Root(t, supervisor.Spec{Children: []child.Spec{{Name: "fetches", Run: p.Run}}})
		require.Equal(t, runtime.GOMAXPROCS(0), p.State().Limit)
		require.NoError(t, root.Start(bg))
		defer func() { require.NoError(t, root.Stop(bg)) }()
		ctx, cancel := context.WithTimeout(bg, time.Minute)
		defer cancel()
		require.NoError(t, task.Each(ctx, &p, numbers(10, nil), func(context.Context, int) error { return nil }))
		for r := range task.Map(ctx, &p, numbers(10, nil), func(_ context.Context, i int) (int, error) { return i, nil }) {
			require.NoError(t, r.Err)
		}
		require.Equal(t, runtime.GOMAXPROCS(0), p.State().Limit)
	})
}

func TestThePoolRestarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 2})
		for range 3 {
			require.NoError(t, task.Each(bg, p, numbers(10, nil), func(context.Context, int) error { return nil }))
			require.EqualValues(t, 10, p.State().Done)
			require.NoError(t, root.RestartChild(bg, "fetches"))
		}
	})
}

// Everything at once, with real parallelism: the counts agree in the end.
func TestManyCallersAtOnce(t *testing.T) {
	p, root := pool(t, task.Spec{Limit: 3})
	var all sync.WaitGroup
	nothing := func(context.Context, int) error { return nil }
	for g := range 8 {
		all.Go(func() {
			for i := range 50 {
				switch (g + i) % 4 {
				case 0:
					if err := task.Each(bg, p, numbers(4, nil), nothing); err != nil {
						t.Error(err)
					}
				case 1:
					for r := range task.Map(bg, p, numbers(-1, nil), func(_ context.Context, i int) (int, error) { return i, nil }) {
						if r.Err != nil || r.In != r.Out {
							t.Error(r)
						}
						if r.In == 5 {
							break
						}
					}
				case 2:
					ctx, cancel := context.WithCancel(bg)
					go cancel()
					_ = task.Each(ctx, p, numbers(4, nil), func(ctx context.Context, _ int) error {
						return task.Each(ctx, p, numbers(2, nil), nothing)
					})
				default:
					if _, err := task.Go(bg, p, "x", func(ctx context.Context) (int, error) {
						return task.Go(ctx, p, "y", func(context.Context) (int, error) { return 1, nil }).Wait(ctx)
					}).Wait(bg); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	st := p.State()
	require.Equal(t, 0, st.Running)
	require.Equal(t, 0, st.Waiting)
	require.NoError(t, root.Stop(bg))
}
