package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A moody run starts, fails and stops as chance has it.
func moodyRun(r *rand.Rand, mu *sync.Mutex) func(child.Context) error {
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
	return func(ctx child.Context) error {
		if child.Sleep(ctx, time.Duration(chance(3))*time.Second) {
			return nil
		}
		if chance(4) == 0 {
			return errBoom
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		if chance(3) == 0 && !child.Sleep(ctx, time.Duration(chance(20))*time.Second) {
			return errBoom
		}
		<-ctx.Done()
		time.Sleep(time.Duration(chance(3)) * time.Second)
		return nil
	}
}

// Whatever happens while specs are applied, what is declared afterwards is what runs: each
// declared child has the spec of the declaration, each EventApplying has its EventApplied, and
// the supervisor goes on or ends as any other.
func TestApplyAmongAllThatMayHappen(t *testing.T) {
	seeds := 150
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		bubble(t, func(t *testing.T) { applyAtRandom(t, uint64(seed)) })
	}
}

func applyAtRandom(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))                          // of this goroutine
	moods, mu := rand.New(rand.NewPCG(seed, 8)), new(sync.Mutex) // of the runs
	version := 0
	spec := func(sup *supervisor.Supervisor) supervisor.Spec {
		want := supervisor.Spec{Strategy: allStrategies[seed%5], Intensity: strategy.AtMost(50, time.Minute), Logger: quiet}
		if sup != nil {
			want = sup.Spec()
			want.Children = nil
		}
		for _, i := range r.Perm(4)[:1+r.IntN(3)] {
			version++
			v := fmt.Sprint(version)
			if r.IntN(2) == 0 {
				v = "same"
			}
			one := child.Spec{Name: fmt.Sprint("c", i), Version: v, Run: moodyRun(moods, mu), Restart: child.Restart(r.IntN(3)), StopTimeout: child.Forever}
			switch r.IntN(4) {
			case 0:
				one.RetryStart = true
			case 1:
				one.Backoff = child.Constant(2 * time.Second)
			case 2:
				one.StartTimeout = time.Second
			}
			for _, below := range want.Children {
				if want.Strategy == strategy.Graph && below.Restart != child.Temporary && r.IntN(2) == 0 {
					one.Needs = append(one.Needs, below.Name)
				}
			}
			want.Children = append(want.Children, one)
		}
		return want
	}
	inner := newRoot(spec(nil))
	root := newRoot(supervisor.Spec{Backoff: child.Constant(time.Second), Children: []child.Spec{{Name: "inner", Run: inner.Run, RetryStart: true}}})
	events := record(t, root, supervisor.EventApplying, supervisor.EventApplied)
	var all sync.WaitGroup
	all.Go(func() { _ = root.Start(t.Context()) })

	for range 12 {
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+r.IntN(8))*time.Second)
		want, name, what := spec(inner), fmt.Sprint("c", r.IntN(4)), r.IntN(9)
		all.Go(func() {
			defer cancel()
			switch what {
			case 0:
				_ = inner.RestartChild(ctx, name)
			case 1:
				_ = inner.StopChild(ctx, name)
			case 2:
				_ = inner.RemoveChild(ctx, name)
			case 3:
				_ = inner.StartChild(ctx, child.Spec{Name: name, Version: "same", Run: idle})
			case 4:
				inner.Suspend(ctx)
				time.Sleep(time.Second)
				inner.Resume(ctx)
			case 5:
				_ = root.RestartChild(ctx, "inner")
			default:
				_, err := inner.Apply(ctx, want)
				if errors.Is(err, child.ErrNotReady) {
					t.Errorf("no child has called it: %v", err)
				}
			}
		})
	}
	all.Wait()
	time.Sleep(time.Minute) // what is taken back is settled
	synctest.Wait()
	for _, declared := range inner.Spec().Children {
		if has, ok := inner.LookupSpec(declared.Name); ok {
			if st, _ := inner.Lookup(declared.Name); !st.Added {
				require.Equal(t, declared.Version, has.Version, "seed %d: %s", seed, declared.Name)
				require.Equal(t, declared.Needs, has.Needs, "seed %d: %s", seed, declared.Name)
			}
		}
	}
	last := inner.Spec()
	require.NoError(t, last.Validate(), "seed %d", seed)
	open := 0
	for _, e := range events.take() {
		if e.Kind == supervisor.EventApplying {
			open++
		} else {
			open--
		}
		require.GreaterOrEqual(t, open, 0)
		require.LessOrEqual(t, open, 1, "one after the other")
	}
	require.Zero(t, open, "seed %d", seed)
	_ = root.Stop(context.Background())
}
