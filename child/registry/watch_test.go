package registry_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/registry"
)

// changes collects the changes of a Watch as texts, until its context ends.
func changes(ctx context.Context, r *registry.Registry[string, int]) (next func() []string) {
	var mu sync.Mutex
	var seen []string
	go func() {
		for c := range r.Watch(ctx) {
			sign := "-"
			if c.Added {
				sign = "+"
			}
			mu.Lock()
			seen = append(seen, fmt.Sprint(sign, c.Key, c.Value, c.Owner))
			mu.Unlock()
		}
		mu.Lock()
		seen = append(seen, "end")
		mu.Unlock()
	}()
	return func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		defer func() { seen = nil }()
		return seen
	}
}

func TestWatchBeginsWithWhatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		a, endA := newRun()
		b, endB := newRun()
		require.NoError(t, r.Register(a, "a", 1))
		ctx, cancel := context.WithCancel(context.Background())
		next := changes(ctx, &r)
		require.Equal(t, []string{"+a1"}, next())
		require.NoError(t, r.Register(b, "b", 2))
		require.Equal(t, []string{"+b2"}, next())
		require.NoError(t, r.Register(b, "b", 3))
		require.Equal(t, []string{"-b2", "+b3"}, next())
		r.Unregister(b, "b")
		require.Equal(t, []string{"-b3"}, next())
		endA()
		require.Equal(t, []string{"-a1"}, next())
		require.NoError(t, r.Register(b, "a", 4))
		require.Equal(t, []string{"+a4"}, next())
		cancel()
		require.Equal(t, []string{"end"}, next())
		endB()
		require.Empty(t, next())
	})
}

func TestWatchFollowsTheRestartsOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		fail, runs := make(chan error), 0
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		next := changes(ctx, &r)
		sup := crowd(t, child.Spec{Name: "ann", Run: idle(func(ctx child.Context) error {
			runs++
			return r.Register(ctx, "ann", runs)
		}, fail)})
		require.Equal(t, []string{"+ann1/people/ann"}, next())
		fail <- errBoom
		require.Equal(t, []string{"-ann1/people/ann", "+ann2/people/ann"}, next())
		require.NoError(t, sup.StopChild(context.Background(), "ann"))
		require.Equal(t, []string{"-ann2/people/ann"}, next())
	})
}

// What comes and goes while the loop is busy is not seen at all.
func TestASlowLoopMissesWhatComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[string, int]
		stays, end := newRun()
		defer end()
		require.NoError(t, r.Register(stays, "first", 1))
		var seen []string
		for c := range r.Watch(t.Context()) {
			seen = append(seen, fmt.Sprint(c.Key, c.Value, c.Added))
			if c.Key == "last" {
				break
			}
			ctx, endSoon := newRun()
			require.NoError(t, r.Register(ctx, "ended", 1))
			endSoon()
			require.NoError(t, r.Register(stays, "left", 1))
			r.Unregister(stays, "left")
			require.NoError(t, r.Register(stays, "last", 1))
			require.NoError(t, r.Register(stays, "last", 2))
			synctest.Wait()
		}
		require.Equal(t, []string{"first1 true", "last2 true"}, seen)
	})
}

// A loop that keeps a map by the changes has what is there in the end, however slow it is,
// and in whatever order the runs end.
func TestAMapKeptByTheChangesIsRight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r registry.Registry[int, int]
		var g registry.Groups[int, int]
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		got, joined := map[int]int{}, map[int]int{}
		step := make(chan struct{})
		all.Go(func() {
			for c := range r.Watch(ctx) {
				if _, there := got[c.Key]; there == c.Added {
					t.Errorf("%+v, and it was there: %v", c, there)
				}
				if got[c.Key] = c.Value; !c.Added {
					delete(got, c.Key)
				}
				select {
				case <-step: // closed in the end
				case <-ctx.Done():
				default:
				}
			}
		})
		all.Go(func() {
			for c := range g.Watch(ctx) {
				if c.Added {
					joined[c.Key]++
				} else if joined[c.Key]--; joined[c.Key] == 0 {
					delete(joined, c.Key)
				}
			}
		})
		var ends []func()
		for n := range 8 {
			all.Go(func() {
				for i := range 100 {
					run, end := newRun()
					_ = r.Register(run, (n*i)%7, i)
					_ = g.Join(run, i%5, i)
					if i%3 == 0 {
						r.Unregister(run, (n*i)%7)
						g.Leave(run, i%5)
					}
					end()
				}
			})
		}
		for i := range 20 {
			run, end := newRun()
			ends = append(ends, end)
			_ = r.Register(run, 100+i, i)
			_ = g.Join(run, 100+i%4, i)
		}
		synctest.Wait()
		close(step)
		cancel()
		all.Wait()
		require.Equal(t, maps.Collect(r.All()), got)
		require.Len(t, got, 20)
		require.Equal(t, []int{100, 101, 102, 103}, slices.Sorted(maps.Keys(joined)))
		for key, n := range joined {
			require.Equal(t, len(slices.Collect(g.Members(key))), n)
		}
		for _, end := range ends {
			end()
		}
	})
}

func TestALoopThatEndsLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T) { // it fails if a goroutine is left
		var r registry.Registry[string, int]
		a, end := newRun()
		require.NoError(t, r.Register(a, "a", 1))
		for c := range r.Watch(context.Background()) {
			require.Equal(t, "a", c.Key)
			break
		}
		require.Panics(t, func() {
			for range r.Watch(context.Background()) {
				panic("in the loop")
			}
		})
		require.NoError(t, r.Register(a, "b", 1))
		end()
		synctest.Wait()
		require.Zero(t, r.Len())
	})
}
