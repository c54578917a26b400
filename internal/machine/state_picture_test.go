package machine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/picture"
	"github.com/coppice-go/coppice/strategy"
)

// The comment of child.State has a drawing and a table. The table must list exactly the
// transitions that occur on random walks, and the drawing shows some of them.
func TestTheStatesOfAChildAreAsDrawnAndListed(t *testing.T) {
	doc, err := picture.Doc("../../child/state.go", "State")
	require.NoError(t, err)
	blocks := picture.Blocks(doc)
	require.Len(t, blocks, 2, "a drawing and a table")
	head, rows := picture.Rows(blocks[1])
	require.Equal(t, []string{"from", "to", "when"}, head)
	listed := map[picture.Edge]bool{}
	for _, row := range rows {
		require.Len(t, row, 3, "%v", row)
		listed[picture.Edge{From: row[0], To: row[1]}] = true
	}
	require.Len(t, listed, len(rows), "a transition is listed twice")

	var states []string
	for s := child.Stopped; s <= child.Done; s++ {
		states = append(states, stateName(s))
	}
	drawn := picture.Arrows(blocks[0], states)
	require.GreaterOrEqual(t, len(drawn), 10)
	for edge := range drawn {
		require.Contains(t, listed, edge, "drawn, but not listed")
	}
	seen := transitionsOnWalks()
	for edge := range listed {
		require.Contains(t, seen, edge, "listed, but not seen")
	}
	for edge, how := range seen {
		require.Contains(t, listed, edge, "seen, but not listed: %s", how)
	}
}

func stateName(s child.State) string {
	name := s.String()
	return strings.ToUpper(name[:1]) + name[1:]
}

// transitionsOnWalks returns the transitions of children in one step of the machine, each
// with the events that led to it for the first time.
func transitionsOnWalks() map[picture.Edge]string {
	seen := map[picture.Edge]string{}
	for i, s := range scenes() {
		s.calls = 12
		n, period, _ := s.conf.Intensity.Limit()
		s.conf.Intensity = strategy.AtMost(4*n, period)
		for seed := range 60 {
			r := rand.New(rand.NewPCG(uint64(i), uint64(seed)))
			w := newWorld(s)
			was := map[*Child]child.State{}
			for range walkLength {
				for c := w.m.first; c != nil; c = c.next {
					if before, known := was[c]; known && before != c.state {
						edge := picture.Edge{From: stateName(before), To: stateName(c.state)}
						if seen[edge] == "" {
							seen[edge] = fmt.Sprint(s.name, ", ", c.Name(), ": ", strings.Join(w.trace.names(), ", "))
						}
					}
					was[c] = c.state
				}
				moves := w.moves()
				if w.m.suspended {
					moves = append(moves, move{"resume", func(w *world) {
						w.do("resume", func() { w.m.Resume(0) })
					}})
				}
				if len(moves) == 0 {
					break
				}
				moves[r.IntN(len(moves))].do(w)
			}
		}
	}
	return seen
}
