//go:build !race

// The race detector changes what things cost, so none of this is measured with it.

package supervisor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// A mesh is a supervisor with many children, most of which need some of the ones before them.
type mesh struct {
	name     string
	strategy strategy.Strategy
	needs    func(i, n int) []int // of child i of n; nil: none
}

// layered returns the needs of children in layers of a hundredth each, so that a start waits
// for a hundred others at most.
func layered(edges int) func(i, n int) []int {
	return func(i, n int) (needs []int) {
		layer := max(n/100, 1)
		for e := range edges {
			if i >= layer {
				needs = append(needs, (i/layer-1)*layer+(i*7+e*31)%layer)
			}
		}
		return needs
	}
}

// meshes are what is compared: Independent, and Graph with different edges.
var meshes = []mesh{
	{"independent", strategy.Independent, nil},
	{"no edges", strategy.Graph, nil},
	{"the same three", strategy.Graph, func(i, _ int) []int { // such as a database, a queue and a cache
		if i < 3 {
			return nil
		}
		return []int{0, 1, 2}
	}},
	{"groups of four", strategy.Graph, func(i, _ int) (needs []int) { // each needs those before it
		for d := range i % 4 {
			needs = append(needs, i-d-1)
		}
		return needs
	}},
	{"one of the layer before", strategy.Graph, layered(1)},
	{"three of the layer before", strategy.Graph, layered(3)},
	{"any three", strategy.Graph, func(i, _ int) []int {
		if i < 3 {
			return nil
		}
		third := i / 3
		one := rand.New(rand.NewPCG(uint64(i), 1)).IntN(third)
		return []int{one, one + third, one + 2*third}
	}},
}

// spec returns the spec with n children.
func (m mesh) spec(n int) supervisor.Spec {
	spec := supervisor.Spec{Strategy: m.strategy, Intensity: strategy.Unlimited(), Logger: quiet, Children: make([]child.Spec, n)}
	for i := range spec.Children {
		spec.Children[i] = child.Spec{Name: fmt.Sprint(i), Run: idler}
		if m.needs == nil {
			continue
		}
		for _, need := range m.needs(i, n) {
			spec.Children[i].Needs = append(spec.Children[i].Needs, fmt.Sprint(need))
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
		for i, m := range meshes {
			ratios = append(ratios, float64(slices.Min(took[i]))/float64(slices.Min(took[0])))
			t.Logf("%s: %.2f", m.name, ratios[i])
		}
		if ratios[1] < 2 && slices.Max(ratios) < 3 {
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
			spec := mesh{"", strategy.Graph, layered(3)}.spec(10_000)
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
