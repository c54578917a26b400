package supervisor_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// row returns a Graph supervisor in which each child needs the one before.
func row(n int) *supervisor.Supervisor {
	specs := make([]child.Spec, n)
	for i := range specs {
		specs[i] = child.Spec{Name: strconv.Itoa(i), Run: idle}
		if i > 0 {
			specs[i].Needs = []string{specs[i-1].Name}
		}
	}
	return newRoot(graphOf(specs...))
}

// The lists of a row of children share their memory, so ten times as many need about ten times
// as much, and not a hundred times.
func TestExplainOfALongRowTakesNoMoreForEachChild(t *testing.T) {
	allocated := func(n int) uint64 {
		sup := row(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		all := sup.Explain()
		runtime.ReadMemStats(&after)
		require.Len(t, all.Children[0].With, n)
		require.Equal(t, []string{strconv.Itoa(n - 2), strconv.Itoa(n - 1)}, all.Children[n-2].With)
		return after.TotalAlloc - before.TotalAlloc
	}
	few, many := allocated(300), allocated(3000)
	require.Less(t, many, 20*few)
}

// Whatever the edges and the order of the children, With has the child and those that need it,
// in that order.
func TestExplainSaysWhoNeedsTheChildInAnyGraph(t *testing.T) {
	for seed := range 500 {
		r := rand.New(rand.NewPCG(uint64(seed), 7))
		n := 1 + r.IntN(8)
		specs := make([]child.Spec, n)
		for i := range specs {
			specs[i] = child.Spec{Name: strconv.Itoa(i), Run: idle}
		}
		order := r.Perm(n)
		reaches := make([][]bool, n) // reaches[i][k]: k is i, or needs it
		for i := range reaches {
			reaches[i] = make([]bool, n)
			reaches[i][i] = true
		}
		for at, k := range order {
			for _, i := range order[:at] {
				switch r.IntN(6) {
				case 0:
					specs[k].After = append(specs[k].After, specs[i].Name)
				case 1, 2:
					specs[k].Needs = append(specs[k].Needs, specs[i].Name)
					for j := range n { // what i needs is complete already
						reaches[j][k] = reaches[j][k] || reaches[j][i]
					}
				}
			}
		}
		all := newRoot(graphOf(specs...)).Explain()
		for i := range specs {
			var want []string
			for k := range specs {
				if reaches[i][k] {
					want = append(want, specs[k].Name)
				}
			}
			with := all.Children[i].With
			require.Equal(t, want, with, "seed %d, child %d of %+v", seed, i, specs)
			require.Equal(t, len(with), cap(with), "to append to it must not change another list")
		}
	}
}
