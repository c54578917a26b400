package machine

import (
	"hash/maphash"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/child"
)

// The machine is deterministic, so a test can try every order of events of a small tree.
// A world simulates the shell: it keeps the runs that have been launched and have not
// returned (abandoned ones too), the timers that are set, those that were cleared too
// late, the delays that were asked for, and the callers that wait. From each state the
// explorer tries every event that may come next, and then checks the invariants of
// explore_rules_test.go. States that differ in nothing that matters are visited once.

// A scene is a small tree and the events that may come to it.
type scene struct {
	name      string
	conf      Config
	specs     []child.Spec
	add       []child.Spec            // what StartChild may add
	inner     *scene                  // the supervisor in the first child; nil if that is a worker
	ends      []Outcome               // how a run may end by itself
	calls     int                     // how many requests may come
	outOfTime bool                    // whether CancelAll and AbandonAll may come
	suspends  bool                    // whether Suspend and Resume may come
	newer     []child.Spec            // what Upgrade may put in place of specs
	replaces  bool                    // whether Replace and TakeBack may come
	edges     map[string][]child.Spec // edges that Replace may give a child instead of its own
	bare      bool                    // whether nothing comes late, takes long or is abandoned
	whole     bool                    // whether batches are large, so that all is done in one event
}

// explore visits the states of a scene, in order of their distance from the start, until
// it has seen limit states or all.
func explore(s *scene, limit int) (states, depth int, failure string) {
	type at struct {
		w     *world
		depth int
	}
	seen := map[uint64]struct{}{}
	fresh := func(w *world) bool {
		var h maphash.Hash
		h.SetSeed(seed)
		w.key(&h, true)
		k := h.Sum64()
		if _, ok := seen[k]; ok {
			return false
		}
		seen[k] = struct{}{}
		return true
	}
	first := newWorld(s)
	queue := []at{{first, 0}}
	fresh(first)
	for len(queue) > 0 && len(seen) < limit {
		here := queue[0]
		queue[0] = at{}
		queue = queue[1:]
		depth = here.depth
		if here.w.failure != "" {
			return len(seen), depth, here.w.report()
		}
		moves := here.w.moves()
		if here.w.m.suspended {
			moves = append(moves, move{"resume", func(w *world) {
				w.do("resume", func() { w.m.Resume(0) })
			}})
		}
		if bad := here.w.stuck(); bad != "" {
			here.w.fail("%s", bad)
			return len(seen), depth, here.w.report()
		}
		for _, mv := range moves {
			next := here.w.clone()
			mv.do(next)
			if next.failure != "" {
				return len(seen), depth + 1, next.report()
			}
			if fresh(next) {
				queue = append(queue, at{next, here.depth + 1})
			}
		}
	}
	return len(seen), depth, ""
}

func (w *world) report() string {
	return w.failure + "\nafter:\n  " + strings.Join(w.trace.names(), "\n  ") + "\nin:\n" + w.describe()
}

// exploreStates returns how many states of each scene are visited. EXPLORE=n sets it.
func exploreStates(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("EXPLORE")); err == nil {
		return n
	}
	if testing.Short() || raceEnabled {
		return 2_000
	}
	return 5_000
}

func TestExploreEveryOrderOfEvents(t *testing.T) {
	limit := exploreStates(t)
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			states, depth, failure := explore(s, limit)
			if failure != "" {
				t.Fatal(failure)
			}
			t.Logf("%d states, %d deep", states, depth)
		})
	}
}
