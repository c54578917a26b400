//go:build !race

// The race detector changes what things cost, so none of this is measured with it.

package supervisor_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// idler is a child that costs as little as a child can.
func idler(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// crowd starts a supervisor with n children, named 0, 1 and so on.
func crowd(tb testing.TB, s strategy.Strategy, n int) *supervisor.Supervisor {
	spec := supervisor.Spec{Strategy: s, Intensity: strategy.Unlimited(), Logger: quiet}
	spec.Children = make([]child.Spec, n)
	for i := range spec.Children {
		spec.Children[i] = child.Spec{Name: fmt.Sprint(i), Run: idler}
	}
	sup := supervisor.New(spec)
	require.NoError(tb, sup.Start(context.Background()))
	return sup
}

// An operation is done to one child among others. It leaves as many as there were.
type operation struct {
	name    string
	prepare func(*supervisor.Supervisor) error
	do      func(*supervisor.Supervisor) error
	restore func(*supervisor.Supervisor) error
}

func nothing(*supervisor.Supervisor) error { return nil }

func addOne(sup *supervisor.Supervisor) error {
	return sup.StartChild(context.Background(), child.Spec{Name: "one", Run: idler})
}

func removeOne(sup *supervisor.Supervisor) error {
	return sup.RemoveChild(context.Background(), "one")
}

// operations returns those that are to cost the same whatever the number of
// siblings. Restart is one by the supervisor: the child fails, and is up again.
func operations() []operation {
	crash, up := make(chan struct{}), make(chan struct{}, 1)
	crasher := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		up <- struct{}{}
		select {
		case <-ctx.Done():
			return nil
		case <-crash:
			return errBoom
		}
	}
	return []operation{
		{"Add", nothing, addOne, removeOne},
		{"Remove", addOne, removeOne, nothing},
		{"Restart",
			func(sup *supervisor.Supervisor) error {
				err := sup.StartChild(context.Background(), child.Spec{Name: "one", Run: crasher})
				<-up
				return err
			},
			func(*supervisor.Supervisor) error {
				crash <- struct{}{}
				<-up
				return nil
			},
			removeOne,
		},
		{"RestartChild", addOne,
			func(sup *supervisor.Supervisor) error { return sup.RestartChild(context.Background(), "one") },
			removeOne,
		},
	}
}

var (
	crowds = []int{10, 1000, 100_000}
	alone  = []strategy.Strategy{strategy.OneForOne, strategy.Independent}
)

// measure returns what one op takes among the children of sup, on average over
// n. It has a clock of its own: that of a benchmark stops the world to be stopped.
func measure(tb testing.TB, op operation, sup *supervisor.Supervisor, n int) time.Duration {
	var total time.Duration
	for range n {
		require.NoError(tb, op.prepare(sup))
		at := time.Now()
		err := op.do(sup)
		total += time.Since(at)
		require.NoError(tb, err)
		require.NoError(tb, op.restore(sup))
	}
	return total / time.Duration(n)
}

func benchmark(b *testing.B, name string) {
	for _, s := range alone {
		for _, n := range crowds {
			b.Run(fmt.Sprintf("%v/%d", s, n), func(b *testing.B) {
				sup := crowd(b, s, n)
				for _, op := range operations() {
					if op.name == name {
						b.ReportMetric(float64(measure(b, op, sup, b.N)), "ns/op")
					}
				}
				require.NoError(b, sup.Stop(context.Background()))
			})
		}
	}
}

func BenchmarkAdd(b *testing.B)          { benchmark(b, "Add") }
func BenchmarkRemove(b *testing.B)       { benchmark(b, "Remove") }
func BenchmarkRestart(b *testing.B)      { benchmark(b, "Restart") }
func BenchmarkRestartChild(b *testing.B) { benchmark(b, "RestartChild") }

// cost returns what one of many runs of op takes, with all crowds side by side in
// one process and by turns, so that whatever else the machine does hits all alike.
func cost(t *testing.T, op operation, sups []*supervisor.Supervisor) []time.Duration {
	const rounds, each = 15, 100
	took := make([][]time.Duration, len(sups))
	for range rounds {
		for i, sup := range sups {
			took[i] = append(took[i], measure(t, op, sup, each))
		}
	}
	medians := make([]time.Duration, len(sups))
	for i, all := range took {
		slices.Sort(all)
		medians[i] = all[len(all)/2]
	}
	return medians
}

// The aim is a factor of two. What is asserted is far below what anything that
// looks at each sibling would cost, ten thousand times, and far above noise.
const (
	aimed     = 2.0
	permitted = 4.0
)

func TestOneChildCostsTheSameWithAnyNumberOfSiblings(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	defer goleak.VerifyNone(t)
	for _, s := range alone {
		var sups []*supervisor.Supervisor
		for _, n := range crowds {
			sups = append(sups, crowd(t, s, n))
		}
		runtime.GC() // of setting up; it is not what is measured
		for _, op := range operations() {
			medians := cost(t, op, sups)
			for i, n := range crowds {
				ratio := float64(medians[i]) / float64(medians[0])
				t.Logf("%-12v %-12s %7d siblings: %8v, %.2f times that with %d", s, op.name, n, medians[i], ratio, crowds[0])
				require.Less(t, ratio, permitted, "%v of one child with %d siblings; the aim is %v", op.name, n, aimed)
			}
		}
		for _, sup := range sups {
			require.NoError(t, sup.Stop(context.Background()))
		}
	}
}

// A million children in one supervisor. It takes some gigabytes, so it is run by
// make scale only.
func TestOneSupervisorHoldsAMillionChildren(t *testing.T) {
	if os.Getenv("COPPICE_SCALE") == "" {
		t.Skip("COPPICE_SCALE is not set")
	}
	const million = 1_000_000
	for _, s := range alone {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		report := func(what string, at time.Time) {
			t.Logf("%-12v %-20s %v", s, what, time.Since(at).Round(time.Microsecond))
		}

		at := time.Now()
		sup := crowd(t, s, million)
		report("start a million", at)
		runtime.GC()
		runtime.ReadMemStats(&after)
		t.Logf("%-12v %-20s %d bytes of heap and %d of stack", s, "each child takes",
			(after.HeapAlloc-before.HeapAlloc)/million, (after.StackInuse-before.StackInuse)/million)

		at = time.Now()
		require.Equal(t, supervisor.Counts{Specs: million, Active: million, Workers: million}, sup.Count())
		report("count", at)
		at = time.Now()
		require.NoError(t, sup.RestartChild(t.Context(), "500000"))
		report("restart one", at)
		at = time.Now()
		require.NoError(t, sup.RemoveChild(t.Context(), "500001"))
		report("remove one", at)
		require.Equal(t, million-1, sup.Count().Active)
		at = time.Now()
		require.NoError(t, sup.Health())
		report("health of all", at)
		at = time.Now()
		require.NoError(t, sup.Stop(context.Background()))
		report("stop all", at)
		require.Zero(t, sup.Count().Active)
	}
}
