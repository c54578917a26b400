package task_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// gauge counts what runs at the same time.
type gauge struct {
	mu        sync.Mutex
	now, most int
}

func (g *gauge) work(d time.Duration) {
	g.mu.Lock()
	g.now++
	g.most = max(g.most, g.now)
	g.mu.Unlock()
	time.Sleep(d)
	g.mu.Lock()
	g.now--
	g.mu.Unlock()
}

// Tasks that use their own pool, three levels deep, in each way, with any limit. Without lent
// slots, the bubble would report a deadlock.
func TestTasksMayUseTheirOwnPool(t *testing.T) {
	for limit := 1; limit <= 3; limit++ {
		bubble(t, func(t *testing.T) {
			p, _ := pool(t, task.Spec{Limit: limit})
			var g gauge
			var walk func(ctx context.Context, depth int) (int, error)
			walk = func(ctx context.Context, depth int) (int, error) {
				g.work(time.Second)
				if depth == 0 {
					return 1, nil
				}
				sum := 0
				for r := range task.Map(ctx, p, numbers(3, nil), func(ctx context.Context, _ int) (int, error) { return walk(ctx, depth-1) }) {
					if r.Err != nil {
						return 0, r.Err
					}
					g.work(time.Second) // in the loop it counts again
					sum += r.Out
				}
				if err := task.Each(ctx, p, numbers(2, nil), func(ctx context.Context, _ int) error {
					_, err := walk(ctx, 0)
					return err
				}); err != nil {
					return 0, err
				}
				one := task.Go(ctx, p, "one", func(ctx context.Context) (int, error) { return walk(ctx, depth-1) })
				v, err := one.Wait(ctx)
				g.work(time.Second)
				return sum + v, err
			}
			v, err := task.Go(bg, p, "root", func(ctx context.Context) (int, error) { return walk(ctx, 3) }).Wait(bg)
			require.NoError(t, err)
			require.Equal(t, 64, v)
			require.Equal(t, limit, g.most, "the limit is kept")
			require.Equal(t, 0, p.State().Running)
		})
	}
}

// Two pools whose tasks use each other.
func TestPoolsMayUseEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := task.New(task.Spec{Limit: 1}), task.New(task.Spec{Limit: 1})
		root := testkit.Root(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}}})
		require.NoError(t, root.Start(bg))
		var ping func(ctx context.Context, n int) (int, error)
		ping = func(ctx context.Context, n int) (int, error) {
			p := []*task.Pool{a, b}[n%2]
			return task.Go(ctx, p, "ping", func(ctx context.Context) (int, error) {
				if n == 0 {
					return 0, nil
				}
				v, err := ping(ctx, n-1)
				return v + 1, err
			}).Wait(ctx)
		}
		v, err := ping(bg, 20)
		require.NoError(t, err)
		require.Equal(t, 20, v)
		require.NoError(t, root.Stop(bg))
	})
}

// A Map may be the sequence of another one in the same pool.
func TestMapsInARow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 1})
		inner := func(yield func(int) bool) {
			for r := range task.Map(bg, p, numbers(10, nil), func(_ context.Context, i int) (int, error) { return i + 1, nil }) {
				if !yield(r.Out) {
					return
				}
			}
		}
		sum := 0
		for r := range task.Map(bg, p, inner, func(_ context.Context, i int) (int, error) { return i * 10, nil }) {
			require.NoError(t, r.Err)
			sum += r.Out
		}
		require.Equal(t, 550, sum)
	})
}

// Several goroutines of one task wait at once, and the pool ends while tasks wait for their
// slots.
func TestThePoolEndsWhileSlotsAreLent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{Limit: 2})
		var outer []*task.Task[int]
		begin := make(chan struct{})
		for range 2 {
			outer = append(outer, task.Go(bg, p, "outer", func(ctx context.Context) (int, error) {
				<-begin
				ctx = context.WithoutCancel(ctx) // only the end of the pool is left
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						_, _ = task.Go(ctx, p, "inner", func(ctx context.Context) (int, error) {
							return 0, until(ctx)
						}).Wait(ctx)
					})
				}
				all.Wait()
				return 7, nil
			}))
		}
		close(begin)
		synctest.Wait()
		require.Equal(t, 2, p.State().Running)
		require.GreaterOrEqual(t, p.State().Waiting, 4)
		require.NoError(t, root.Stop(bg))
		for _, one := range outer {
			v, err := one.Wait(bg)
			require.NoError(t, err)
			require.Equal(t, 7, v)
		}
	})
}

func TestSeveralGoroutinesOfATaskWaitAtOnce(t *testing.T) {
	for limit := 1; limit <= 4; limit++ {
		bubble(t, func(t *testing.T) {
			p, _ := pool(t, task.Spec{Limit: limit})
			_, err := task.Go(bg, p, "outer", func(ctx context.Context) (int, error) {
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						for range 20 {
							_, _ = task.Go(ctx, p, "inner", func(context.Context) (int, error) { time.Sleep(time.Duration(i%3) * time.Second); return 0, nil }).Wait(ctx)
						}
					})
				}
				all.Wait()
				return 0, nil
			}).Wait(bg)
			require.NoError(t, err)
			synctest.Wait()
			require.Equal(t, task.State{Limit: limit, Done: 161}, p.State())
		})
	}
}

// Two goroutines of a task wait for its slot at once, and both get one: the second is given
// back.
func TestATaskHasOneSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 2})
		other, _ := pool(t, task.Spec{Limit: 1})
		sleep := func(d time.Duration) func(context.Context) (int, error) {
			return func(context.Context) (int, error) { time.Sleep(d); return 0, nil }
		}
		task.Go(bg, p, "blocks", sleep(10*time.Second))
		outer := task.Go(bg, p, "outer", func(ctx context.Context) (int, error) {
			var all sync.WaitGroup
			all.Go(func() { // waits for the slot until 5 s
				task.Go(ctx, p, "inner", sleep(5*time.Second))
			})
			all.Go(func() { // waits for it from 2 s to 10 s
				time.Sleep(time.Second)
				_, _ = task.Go(ctx, other, "other", sleep(time.Second)).Wait(ctx)
			})
			all.Wait()
			time.Sleep(time.Hour)
			return 0, nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, p.State().Running)
		_, err := outer.Wait(bg)
		require.NoError(t, err)
		require.Equal(t, 0, p.State().Running)
	})
}

// A task that goes on comes before those that have not begun.
func TestATaskThatGoesOnComesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 1})
		var order []string // one task at a time
		step := func(name string) {
			order = append(order, name)
			time.Sleep(time.Minute)
		}
		proceed := make(chan struct{})
		outer := task.Go(bg, p, "outer", func(ctx context.Context) (int, error) {
			<-proceed
			_, err := task.Go(ctx, p, "inner", func(context.Context) (int, error) { step("inner"); return 0, nil }).Wait(ctx)
			step("outer")
			return 0, err
		})
		go func() {
			_ = task.Each(bg, p, numbers(3, nil), func(context.Context, int) error { step("other"); return nil })
		}()
		synctest.Wait()
		close(proceed)
		_, err := outer.Wait(bg)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"other", "inner", "outer", "other", "other"}, order)
	})
}
