//go:build !race

// The race detector changes what things cost, so none of this is measured with it.

package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A mesh is a supervisor with many children, each of which needs some of the ones before it.
type mesh struct {
	name     string
	strategy strategy.Strategy
	edges    int
}

// meshes are what is compared: Independent, and Graph with more and more edges.
var meshes = []mesh{
	{"independent", strategy.Independent, 0},
	{"no edges", strategy.Graph, 0},
	{"one edge each", strategy.Graph, 1},
	{"three edges each", strategy.Graph, 3},
}

// spec returns the spec with n children. They are in layers of a hundredth each, so that a
// start waits for a hundred others at most.
func (m mesh) spec(n int) supervisor.Spec {
	spec := supervisor.Spec{Strategy: m.strategy, Intensity: strategy.Unlimited(), Logger: quiet, Children: make([]child.Spec, n)}
	layer := max(n/100, 1)
	for i := range spec.Children {
		spec.Children[i] = child.Spec{Name: fmt.Sprint(i), Run: idler}
		for e := range m.edges {
			if i >= layer {
				spec.Children[i].Needs = append(spec.Children[i].Needs, fmt.Sprint((i/layer-1)*layer+(i*7+e*31)%layer))
			}
		}
	}
	return spec
}

// startAndStop returns what a start and the stop after it take.
func (m mesh) startAndStop(tb testing.TB, spec supervisor.Spec) time.Duration {
	sup := supervisor.New(spec)
	runtime.GC()
	at := time.Now()
	require.NoError(tb, sup.Start(context.Background()))
	require.NoError(tb, sup.Stop(context.Background()))
	return time.Since(at)
}

func BenchmarkGraphStartAndStop(b *testing.B) {
	const n = 10_000
	for _, m := range meshes {
		b.Run(m.name, func(b *testing.B) {
			spec, took := m.spec(n), []time.Duration(nil)
			for range b.N {
				took = append(took, m.startAndStop(b, spec))
			}
			b.ReportMetric(float64(median(took))/n, "ns/child")
		})
	}
}

// The aims are 1.1 times what Independent takes without edges, and 1.5 times with three edges
// each. What is asserted is above noise, and far below what anything quadratic would cost.
func TestGraphStartsAndStopsManyNearlyAsFastAsIndependent(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	defer goleak.VerifyNone(t)
	const n, rounds = 10_000, 3
	var specs []supervisor.Spec
	for _, m := range meshes {
		specs = append(specs, m.spec(n))
	}
	var ratios []float64
	for range attempts {
		took := make([][]time.Duration, len(meshes))
		for range rounds { // they take turns, so that a busy machine is as busy for all
			for i, m := range meshes {
				took[i] = append(took[i], m.startAndStop(t, specs[i]))
			}
		}
		ratios = ratios[:0]
		for i := range meshes {
			ratios = append(ratios, float64(slices.Min(took[i]))/float64(slices.Min(took[0])))
		}
		t.Logf("%v: %.2f", meshes, ratios)
		if ratios[1] < 2 && ratios[3] < 3 {
			return
		}
	}
	assert.Fail(t, "too slow", "%.2f", ratios)
}

// A failure costs in proportion to what it takes down, whatever else there is.
func BenchmarkGraphFailure(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := &stumbler{order: make(chan int), done: make(chan int)}
			spec := mesh{"", strategy.Graph, 3}.spec(10_000)
			spec.Children = append(spec.Children, child.Spec{Name: "hub", Run: f.Run})
			for i := range n {
				spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint("spoke ", i), Run: idler, Needs: []string{"hub"}})
			}
			sup := supervisor.New(spec)
			require.NoError(b, sup.Start(context.Background()))
			b.ResetTimer()
			for range b.N {
				ready := sup.Watch(context.Background(), fmt.Sprint("spoke ", n-1), supervisor.EventReady)
				f.order <- 1
				<-f.done
				<-ready
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*(n+1)), "ns/child")
			require.NoError(b, sup.Stop(context.Background()))
		})
	}
}

// A hub is what all others need.
func TestPlanOfAHubCostsTheSameForEachChild(t *testing.T) {
	if testing.Short() {
		t.Skip("a measurement")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it has more to do for the many, of which a Plan is no cause
	each := func(n int) time.Duration {
		sup := start(t, supervisor.Spec{Strategy: strategy.Graph})
		want := sup.Spec()
		want.Children = []child.Spec{{Name: "hub", Version: "1", Run: idler}}
		for i := range n {
			want.Children = append(want.Children, child.Spec{Name: fmt.Sprint(i), Version: "1", Run: idler, Needs: []string{"hub"}})
		}
		at := time.Now()
		_, err := sup.Plan(want)
		require.NoError(t, err)
		return time.Since(at) / time.Duration(n)
	}
	few, many := each(1000), each(30_000)
	for range attempts {
		if many < 5*few { // quadratic: thirty times
			return
		}
		few, many = min(few, each(1000)), min(many, each(30_000)) // the machine may be busy
	}
	assert.Fail(t, "dearer among many", "%v each of 1,000, %v each of 30,000", few, many)
}
