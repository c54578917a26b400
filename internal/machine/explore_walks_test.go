package machine

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/coppice-go/coppice/strategy"
)

// Exploring reaches all states near the start. Random walks reach few states, but some
// that are far away: groups that fail while they start, after two restarts and a stop that
// was followed by a restart.

const walkLength = 120

func TestRandomWalks(t *testing.T) {
	walks := 100
	if n, err := strconv.Atoi(os.Getenv("EXPLORE")); err == nil {
		walks = n / 20
	}
	if testing.Short() || raceEnabled {
		walks = 30
	}
	for i, s := range scenes() {
		s.calls = 12
		n, period, _ := s.conf.Intensity.Limit()
		s.conf.Intensity = strategy.AtMost(10*n, period) // otherwise most walks end early
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			steps := 0
			for seed := range walks {
				n, failure := walk(s, rand.New(rand.NewPCG(uint64(i), uint64(seed))))
				if failure != "" {
					t.Fatalf("walk %d: %s", seed, failure)
				}
				steps += n
			}
			t.Logf("%d walks, %d steps", walks, steps)
		})
	}
}

// walk makes random moves until none is left, or it is long enough.
func walk(s *scene, r *rand.Rand) (steps int, failure string) {
	w := newWorld(s)
	for steps = range walkLength {
		moves := w.moves()
		if w.m.suspended {
			moves = append(moves, move{"resume", func(w *world) {
				w.do("resume", func() { w.m.Resume(0) })
			}})
		}
		if bad := w.stuck(); bad != "" {
			w.fail("%s", bad)
		}
		if w.failure != "" {
			return steps, w.report()
		}
		if len(moves) == 0 {
			break
		}
		mv := moves[r.IntN(len(moves))]
		if mv.name == "close" && steps < walkLength/2 && r.IntN(20) > 0 {
			continue // otherwise most walks are short
		}
		mv.do(w)
	}
	if w.failure != "" {
		return steps, w.report()
	}
	return steps, ""
}
