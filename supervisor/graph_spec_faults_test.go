package supervisor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestGraphValidateNamesTheFaultsOfEdges(t *testing.T) {
	err := graphOf(
		child.Spec{Name: "a", Run: idle, Needs: []string{"b", "nobody"}, After: []string{"noone"}},
		child.Spec{Name: "b", Run: idle, After: []string{"c", "b"}},
		child.Spec{Name: "c", Run: idle, Needs: []string{"a", "job"}},
		child.Spec{Name: "job", Run: idle, Restart: child.Temporary, Needs: []string{"", "x/y", "a\x1bb"}},
		child.Spec{Name: "after-job", Run: idle, After: []string{"job"}},
	).Validate()
	require.Equal(t, []string{
		`/root/b: After: itself`,
		`/root/job: Needs: an empty name`,
		`/root/job: Needs: has a slash: "x/y"`,
		`/root/job: Needs: has a control character: "a\x1bb"`,
		`/root/a: Needs: no such child: "nobody"`,
		`/root/a: After: no such child: "noone"`,
		`/root/c: Needs: "job" is temporary, and is removed when it ends: name it in After, or make it transient`,
		`/root/a: Needs: cycle: a -> b -> c -> a`,
	}, faults(err))
}

func TestGraphValidateFindsEachCycle(t *testing.T) {
	two := func(a, b string) []child.Spec {
		return []child.Spec{{Name: a, Run: idle, After: []string{b}}, {Name: b, Run: idle, Needs: []string{a}}}
	}
	require.Equal(t, []string{
		`/root/a: After: cycle: a -> b -> a`, `/root/p: After: cycle: p -> q -> p`,
	}, faults(graphOf(append(two("a", "b"), two("p", "q")...)...).Validate()))
}

// A long cycle, long names and very many edges are reported in a line.
func TestGraphValidateIsBriefAboutHugeFaults(t *testing.T) {
	const n = 20_000
	long := make([]child.Spec, n)
	for i := range long {
		long[i] = child.Spec{Name: fmt.Sprint(i), Run: idle, Needs: []string{fmt.Sprint((i + 1) % n)}}
	}
	require.EqualError(t, graphOf(long...).Validate(),
		"/root/0: Needs: cycle: 0 -> 1 -> 2 -> 3 -> 4 -> ... -> 19996 -> 19997 -> 19998 -> 19999 -> 0")
	huge := strings.Repeat("x", 1<<20)
	err := graphOf(child.Spec{Name: "a", Run: idle, Needs: []string{huge}}).Validate()
	require.Less(t, len(err.Error()), 300)
}

// Only strategy.Graph accepts edges.
func TestEdgesUnderAnotherStrategyAreFaults(t *testing.T) {
	for _, s := range allStrategies {
		spec := supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: idle, Needs: []string{}}, {Name: "b", Run: idle, Needs: []string{"a"}}, {Name: "c", Run: idle, After: []string{"a"}},
		}}
		if s == strategy.Graph {
			require.NoError(t, spec.Validate())
			continue
		}
		require.Equal(t, []string{
			"/root/b: Needs: only a supervisor with strategy.Graph accepts it",
			"/root/c: After: only a supervisor with strategy.Graph accepts it",
		}, faults(spec.Validate()), "%v", s)
	}
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		require.EqualError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: idle, Needs: []string{"a"}}),
			"/root/b: Needs: only a supervisor with strategy.Graph accepts it")
	})
}

// Two children of one call of StartChild may not wait for each other.
func TestGraphStartChildFindsCyclesAmongItsSpecs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf())
		require.EqualError(t, sup.StartChild(t.Context(),
			child.Spec{Name: "a", Run: idle, Needs: []string{"b"}},
			child.Spec{Name: "b", Run: idle, Needs: []string{"a"}},
		), "/root/a: Needs: cycle: a -> b -> a")
		require.Empty(t, sup.Children())
	})
}
