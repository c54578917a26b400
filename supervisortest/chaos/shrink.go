package chaos

import (
	"fmt"
	"slices"
	"testing"

	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// mostReplays is the most replays of one Shrink.
const mostReplays = 300

// Shrink is Play in virtual time that looks for the shortest failure. If something does
// not hold, Shrink replays the seed with fewer and fewer of its actions, up to three
// hundred times, and keeps the replays in which something still does not hold. It fails
// the test with the shortest run that it has found: what did not hold, which actions are
// enough, and the trace. To repeat that run, set Spec.Only to those actions.
//
// Shrink calls tree for each run, inside its bubble. In a replay the remaining actions are
// drawn as before. Where an action depends on those left out, for example in the choice of
// a child, it may differ. In a bubble already, Shrink uses that bubble; otherwise t must be
// a *testing.T.
func Shrink(t testing.TB, tree func() supervisor.Spec, spec Spec) *Report {
	t.Helper()
	if tree == nil {
		t.Fatalf("chaos.Shrink: tree is nil")
		return nil
	}
	replay := func(only []int) (r *Report) {
		testkit.Virtually(t, "chaos.Shrink", func(t testing.TB) {
			t.Helper()
			spec := spec
			spec.Only = only
			r = replayed(t, tree(), spec)
		})
		return r
	}
	if err := spec.prepare(true); err != nil {
		t.Fatalf("chaos.Shrink: %v", err)
		return nil
	}
	t.Logf("chaos: %s, seed %d", spec.Name, spec.Seed)
	shortest := replay(spec.Only)
	if shortest == nil {
		return nil
	}
	t.Logf("%v", shortest)
	if len(shortest.Broken) == 0 {
		return shortest
	}
	keep := append([]int{}, spec.Only...)
	for n := 1; spec.Only == nil && n <= shortest.Actions; n++ {
		keep = append(keep, n)
	}
	replays := 0
	for size := (len(keep) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(keep); {
			without := slices.Delete(slices.Clone(keep), from, min(from+size, len(keep)))
			if replays++; replays > mostReplays {
				break
			}
			if r := replay(without); r != nil && len(r.Broken) > 0 {
				keep, shortest = without, r
			} else {
				from += size
			}
		}
	}
	t.Errorf("%s", shortest.failure(fmt.Sprintf("%d of %d actions are enough: Only: %#v\n", len(keep), shortest.Actions, keep)))
	return shortest
}

// replayed is one run of Play in the caller's bubble.
func replayed(t testing.TB, tree supervisor.Spec, spec Spec) *Report {
	t.Helper()
	tr := testkit.New(t, tree)
	defer testkit.Settle()
	defer tr.LetGo()
	if err := tr.Sup.Start(tr.Ctx); err != nil {
		t.Fatalf("start: %v", err)
		return nil
	}
	return newCampaign(tr, spec).play()
}
