package task_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
)

func TestMapKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 4})
		began := time.Now()
		var got []int
		for r := range task.Map(bg, p, numbers(20, nil), func(ctx context.Context, i int) (int, error) {
			time.Sleep(time.Duration(20-i) * time.Second) // the later ones are faster
			return i * i, nil
		}) {
			require.NoError(t, r.Err)
			require.Equal(t, r.In*r.In, r.Out)
			got = append(got, r.In)
		}
		require.Equal(t, slices.Collect(numbers(20, nil)), got)
		require.Less(t, time.Since(began), 100*time.Second, "one after another it takes 210 s")
	})
}

func TestMapIsLazy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 3})
		pulled, seen := 0, 0
		for r := range task.Map(bg, p, numbers(-1, &pulled), func(_ context.Context, i int) (int, error) { return i, nil }) {
			synctest.Wait()
			require.NoError(t, r.Err)
			require.Equal(t, seen, r.Out)
			require.LessOrEqual(t, pulled-seen, 3, "values ahead of the loop")
			if seen++; seen == 100 {
				break
			}
		}
		require.Equal(t, 0, p.State().Running)
		seq := task.Map(bg, p, numbers(3, nil), func(_ context.Context, i int) (int, error) { return i, nil })
		require.Len(t, slices.Collect(seq), 3)
		require.Len(t, slices.Collect(seq), 3, "each loop begins again")
		require.Empty(t, slices.Collect(task.Map(bg, p, numbers(0, nil), func(_ context.Context, i int) (int, error) { return i, nil })))
	})
}

func TestALoopThatEndsStopsWhatRunsAndWaitsForIt(t *testing.T) {
	for name, loop := range map[string]func(func(yield func(task.Result[int, int]) bool)){
		"break": func(seq func(func(task.Result[int, int]) bool)) {
			for range seq {
				break
			}
		},
		"panic": func(seq func(func(task.Result[int, int]) bool)) {
			defer func() { _ = recover() }()
			for range seq {
				panic("in the loop")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, _ := pool(t, task.Spec{Limit: 4})
				var ended atomic.Int64
				loop(task.Map(bg, p, numbers(-1, nil), func(ctx context.Context, i int) (int, error) {
					if i == 0 {
						time.Sleep(time.Second)
						return 0, nil
					}
					err := until(ctx)
					time.Sleep(time.Duration(i) * time.Second)
					ended.Add(1)
					return 0, err
				}))
				require.EqualValues(t, 3, ended.Load())
				require.Equal(t, 0, p.State().Running)
			})
		})
	}
}

func TestAPanicOfTheSequenceStopsWhatRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 4})
		bad := func(yield func(int) bool) {
			_ = yield(0) && yield(1)
			panic("in the sequence")
		}
		ended := make(chan error, 10)
		require.PanicsWithValue(t, "in the sequence", func() {
			for range task.Map(bg, p, bad, func(ctx context.Context, _ int) (int, error) {
				ended <- until(ctx)
				return 0, nil
			}) {
				t.Error("a result")
			}
		})
		require.Len(t, ended, 2)
		require.PanicsWithValue(t, "in the sequence", func() {
			_ = task.Each(bg, p, bad, func(ctx context.Context, _ int) error {
				ended <- until(ctx)
				return nil
			})
		})
		require.Len(t, ended, 4)
		require.Equal(t, 0, p.State().Running)
	})
}

func TestAnErrorOfAnItemIsItsResult(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 2, Timeout: time.Minute})
		var texts []string
		for r := range task.Map(bg, p, numbers(5, nil), func(ctx context.Context, i int) (string, error) {
			switch i {
			case 1:
				return "", errBoom
			case 2:
				panic(i)
			case 3:
				return "", until(ctx)
			}
			return "ok", nil
		}) {
			texts = append(texts, fmt.Sprint(r.In, " ", r.Out, " ", r.Err))
		}
		require.Equal(t, []string{
			"0 ok <nil>", "1  boom", "2  /shop/fetches/map-2: panic: 2", "3  timed out after 1m0s", "4 ok <nil>",
		}, texts)
	})
}

// A loop that has seen no error has seen all results: what ends early says so.
func TestAMapThatEndsEarlySaysSo(t *testing.T) {
	for name, obedient := range map[string]bool{"tasks that obey the context": true, "tasks that do not": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, root := pool(t, task.Spec{Limit: 2})
				work := func(ctx context.Context, i int) (int, error) {
					if obedient {
						child.Sleep(ctx, time.Second)
						return i, ctx.Err()
					}
					time.Sleep(time.Second)
					return i, nil
				}
				ctx, cancel := context.WithCancelCause(bg)
				seen, last := 0, task.Result[int, int]{}
				time.AfterFunc(5500*time.Millisecond, func() { cancel(errBoom) })
				pulled := 0
				for r := range task.Map(ctx, p, numbers(-1, &pulled), work) {
					require.Equal(t, seen, r.In)
					seen, last = seen+1, r
				}
				require.ErrorIs(t, last.Err, errBoom)
				require.Equal(t, pulled, seen, "each value has its result")

				time.AfterFunc(2500*time.Millisecond, func() { _ = root.StopChild(bg, "fetches") })
				for r := range task.Map(bg, p, numbers(-1, nil), work) {
					last = r
				}
				require.ErrorIs(t, last.Err, child.ErrStopped)
			})
		})
	}
}

func TestACallThatCannotBegin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, root := pool(t, task.Spec{})
		require.NoError(t, root.Stop(bg))
		all := slices.Collect(task.Map(bg, p, numbers(3, nil), func(_ context.Context, i int) (int, error) { return i, nil }))
		require.Len(t, all, 1)
		require.ErrorIs(t, all[0].Err, child.ErrGone)
		require.ErrorIs(t, task.Each(bg, p, numbers(3, nil), func(context.Context, int) error { return nil }), child.ErrGone)
	})
}

// The pool bounds what runs over all callers.
func TestTheLimitIsThatOfAllCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 5})
		done := make(chan int)
		running, most := make(chan int, 1), 0
		running <- 0
		count := func(d int) {
			n := <-running + d
			most = max(most, n)
			running <- n
		}
		for range 4 {
			go func() {
				n := 0
				for r := range task.Map(bg, p, numbers(30, nil), func(_ context.Context, i int) (int, error) {
					count(1)
					defer count(-1)
					time.Sleep(time.Second)
					return i, nil
				}) {
					if r.Err == nil {
						n++
					}
				}
				done <- n
			}()
		}
		began := time.Now()
		for range 4 {
			require.Equal(t, 30, <-done)
		}
		require.Equal(t, 5, most)
		require.Equal(t, 24*time.Second, time.Since(began), "and uses all of it")
	})
}

// The results that a loop has seen are not kept by Map.
func TestResultsAreNotKept(t *testing.T) {
	type big struct{ _ [1 << 12]byte }
	bubble(t, func(t *testing.T) {
		p, _ := pool(t, task.Spec{Limit: 64})
		var seen []weak.Pointer[big]
		for r := range task.Map(bg, p, numbers(1000, nil), func(context.Context, int) (*big, error) { return new(big), nil }) {
			seen = append(seen, weak.Make(r.Out))
			r.Out = nil
			if r.In%300 != 299 {
				continue
			}
			synctest.Wait()
			runtime.GC()
			runtime.GC()
			kept := 0
			for _, w := range seen {
				if w.Value() != nil {
					kept++
				}
			}
			require.Less(t, kept, 5)
		}
	})
}
