package machine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// The scenes of explore_scenes_test.go have a dozen graphs and everything that may happen.
// Here it is the other way round: all graphs of up to four children, with either kind of
// edge between any two, and no more than starts, failures, restarts and the end. There are
// 450 graphs of which none is another one with other names.

// A drawing is a graph of children 0 to n-1: the kind of edge from each child to each one
// before it.
type drawing struct {
	n     int
	edges [4][4]uint8 // 0 none, 1 Needs, 2 After; only [i][j] with i > j
}

// allDrawings returns all graphs of up to most children.
func allDrawings(most int) (all []drawing) {
	seen := map[drawing]bool{}
	for n := 1; n <= most; n++ {
		var fill func(d drawing, i, j int)
		fill = func(d drawing, i, j int) {
			switch {
			case i == n:
				if least := d.least(); !seen[least] {
					seen[least] = true
					all = append(all, d)
				}
			case j == i:
				fill(d, i+1, 0)
			default:
				for kind := range uint8(3) {
					d.edges[i][j] = kind
					fill(d, i, j+1)
				}
			}
		}
		fill(drawing{n: n}, 0, 0)
	}
	return all
}

// least returns the same value for all graphs that differ only in the names of children.
func (d drawing) least() (least drawing) {
	var order [4]int
	first := true
	var permute func(k int, used uint)
	permute = func(k int, used uint) {
		if k == d.n {
			p := drawing{n: d.n}
			for i := range d.n {
				for j := range i {
					p.edges[order[i]][order[j]] = d.edges[i][j]
				}
			}
			if first || less(p, least) {
				least, first = p, false
			}
			return
		}
		for x := range d.n {
			if used&(1<<x) == 0 {
				order[k] = x
				permute(k+1, used|1<<x)
			}
		}
	}
	permute(0, 0)
	return least
}

func less(a, b drawing) bool {
	for i := range a.edges {
		if c := slices.Compare(a.edges[i][:], b.edges[i][:]); c != 0 {
			return c < 0
		}
	}
	return false
}

// specs returns the children of a graph. The names are in the order of the numbers; the
// children are declared in the reverse order, because it must not matter.
func (d drawing) specs(options ...func(*child.Spec)) (all []child.Spec) {
	for i := d.n - 1; i >= 0; i-- {
		s := worker(string(rune('a' + i)))
		for j := range i {
			name := string(rune('a' + j))
			switch d.edges[i][j] {
			case 1:
				s.Needs = append(s.Needs, name)
			case 2:
				s.After = append(s.After, name)
			}
		}
		for _, option := range options {
			option(&s)
		}
		all = append(all, s)
	}
	return all
}

// String returns a graph such as "b:a c:a,b' d:", where b' is a child that c comes after.
func (d drawing) String() string {
	var all []string
	for i := 1; i < d.n; i++ {
		var to []string
		for j := range i {
			if kind := d.edges[i][j]; kind > 0 {
				to = append(to, string(rune('a'+j))+strings.Repeat("'", int(kind-1)))
			}
		}
		all = append(all, string(rune('a'+i))+":"+strings.Join(to, ","))
	}
	return strings.Join(all, " ")
}

func TestThereAre450GraphsOfFourChildren(t *testing.T) {
	if n := len(allDrawings(4)); n != 450 {
		t.Error(n)
	}
}

// TestExploreEveryGraph visits every state of each graph, with one restart before the
// supervisor gives up.
func TestExploreEveryGraph(t *testing.T) {
	t.Parallel()
	exploreGraphs(t, exploreStates(t), true, scene{bare: true, whole: true, ends: fails})
}

// With one request and two ends there are far more states: it visits those near the start.
func TestExploreEveryGraphWithARequest(t *testing.T) {
	t.Parallel()
	exploreGraphs(t, exploreStates(t)/40, false, scene{bare: true, whole: true, ends: failsOrOK, calls: 1}, transient)
}

// enoughStates is more than any graph of four children has.
const enoughStates = 20_000

// exploreGraphs explores each graph up to limit states: those of three children, or of four if
// all is explored further than usual. It fails if all states should have been visited and
// were not.
func exploreGraphs(t *testing.T, limit int, all bool, like scene, options ...func(*child.Spec)) {
	most, states, deep := 3, 0, 0
	if exploreStates(t) >= enoughStates {
		most = 4
	}
	for _, d := range allDrawings(most) {
		s := like
		s.name, s.specs = d.String(), d.specs(options...)
		s.conf = Config{Strategy: strategy.Graph, Intensity: strategy.AtMost(1, time.Hour)}
		n, depth, failure := explore(&s, limit)
		if failure != "" {
			t.Fatalf("%s: %s", d, failure)
		}
		if all && limit >= enoughStates && n >= limit {
			t.Errorf("%s has more than %d states", d, limit)
		}
		states, deep = states+n, max(deep, depth)
	}
	t.Logf("%d states, %d deep", states, deep)
}
