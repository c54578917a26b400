package machine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// Graph does the same as another strategy where that has the same edges. Two machines get
// the same events, drawn at random, and must return the same actions.

// A pair is two worlds with the same events.
type pair struct {
	*testing.T
	a, b   *world
	until  Phase             // from then on they may differ
	leaves func(Action) bool // actions that may differ
	trace  []string
}

// both makes a move in both worlds and compares the actions.
func (p *pair) both(name string) {
	p.Helper()
	p.trace = append(p.trace, name)
	a, b := p.one(p.a, name), p.one(p.b, name)
	if p.a.m.phase < p.until && p.b.m.phase < p.until || p.until == Over {
		p.same(a, b)
	}
}

// one makes a move in one world and returns its actions, sorted.
func (p *pair) one(w *world, name string) (lines []string) {
	p.Helper()
	for _, mv := range w.moves() {
		if mv.name != name {
			continue
		}
		w.keeps, w.kept = true, w.kept[:0]
		mv.do(w)
		return p.lines(w)
	}
	p.fatal(fmt.Sprintf("under %v there is no such move", w.m.conf.Strategy))
	return nil
}

func (p *pair) lines(w *world) (lines []string) {
	if w.failure != "" {
		p.fatal(w.report())
	}
	for _, a := range w.kept {
		if p.leaves == nil || !p.leaves(a) {
			lines = append(lines, lineOf(a))
		}
	}
	slices.Sort(lines)
	return lines
}

func (p *pair) same(a, b []string) {
	p.Helper()
	if !slices.Equal(a, b) {
		p.fatal(fmt.Sprintf("under %v:\n  %s\nunder %v:\n  %s", p.a.m.conf.Strategy, strings.Join(a, "\n  "), p.b.m.conf.Strategy, strings.Join(b, "\n  ")))
	}
}

func (p *pair) fatal(what string) {
	p.Helper()
	p.Fatalf("%s\nafter:\n  %s\nin:\n%s%s", what, strings.Join(p.trace, "\n  "), p.a.describe(), p.b.describe())
}

// up makes all children of a world ready.
func (p *pair) up(w *world) {
	for w.m.phase == Booting {
		i := slices.IndexFunc(w.moves(), func(mv move) bool {
			return strings.HasPrefix(mv.name, "ready")
		})
		w.moves()[i].do(w)
	}
	w.timers, w.stale = slices.DeleteFunc(w.timers, func(t timerAt) bool { return t.c.armed != t.kind }), nil
}

// names returns the moves of a world that both must have, in a fixed order.
func names(w *world, may func(string) bool) (all []string) {
	for _, mv := range w.moves() {
		if may(mv.name) {
			all = append(all, mv.name)
		}
	}
	slices.Sort(all)
	return all
}

// walk makes random moves in both worlds while both are up. A backoff answers at once.
func (p *pair) walk(r *rand.Rand, may func(string) bool) (steps int) {
	for steps = range 60 {
		if p.a.m.phase >= p.until || p.b.m.phase >= p.until {
			break
		}
		all := names(p.a, may)
		if other := names(p.b, may); !slices.Equal(all, other) {
			p.fatal(fmt.Sprintf("different events may come: %v, %v", all, other))
		}
		if len(all) == 0 {
			break
		}
		next := all[r.IntN(len(all))]
		for _, name := range all {
			if strings.HasPrefix(name, "delay") {
				next = name
			}
		}
		p.both(next)
	}
	return steps
}

func equalScene(s strategy.Strategy, ends []Outcome, specs ...child.Spec) *scene {
	return &scene{name: s.String(), whole: true, ends: ends, specs: specs, conf: Config{Strategy: s, Intensity: strategy.AtMost(12, 1)}}
}

func equalWalks(t *testing.T) int {
	if testing.Short() || raceEnabled {
		return 100
	}
	return exploreStates(t) / 8
}

func notLate(name string) bool { return !strings.HasPrefix(name, "late") }

// Once all are up, and until the supervisor ends, children without edges are handled as
// those of OneForOne are.
func TestRandomWalksWithoutEdgesAreThoseOfOneForOne(t *testing.T) {
	t.Parallel()
	steps, walks := 0, equalWalks(t)
	specs := []child.Spec{worker("a", transient, watched), worker("b", backoff), worker("c", temporary, impatient), worker("d", atOnce)}
	for seed := range walks {
		p := &pair{T: t, until: Closing, a: newWorld(equalScene(strategy.Graph, allEnds, specs...)), b: newWorld(equalScene(strategy.OneForOne, allEnds, specs...))}
		p.up(p.a)
		p.up(p.b)
		steps += p.walk(rand.New(rand.NewPCG(1, uint64(seed))), notLate)
	}
	t.Logf("%d walks, %d steps", walks, steps)
}

// From the start to the end, children without edges start and stop as Independent ones do.
// Children that stay down are kept, so here there are none.
func TestRandomWalksWithoutEdgesStartAndStopAsIndependent(t *testing.T) {
	t.Parallel()
	steps, walks := 0, equalWalks(t)
	specs := []child.Spec{worker("a", retries), worker("b", backoff, retries), worker("c", retries, impatient), worker("d", retries, atOnce)}
	for seed := range walks {
		scenes := [2]*scene{equalScene(strategy.Graph, fails, specs...), equalScene(strategy.Independent, fails, specs...)}
		for _, s := range scenes {
			s.conf.Intensity = strategy.AtMost(2, 1)
		}
		p := &pair{T: t, until: Over, a: newWorld(scenes[0]), b: newWorld(scenes[1])}
		p.leaves = func(a Action) bool { return a.Kind == Publish && a.Event == Removed }
		steps += p.walk(rand.New(rand.NewPCG(2, uint64(seed))), notLate)
	}
	t.Logf("%d walks, %d steps", walks, steps)
}

// Once all are up, and until the supervisor ends, a chain of children that each need the one
// before reacts to failures as RestForOne does. Three differences are left out here: those
// that need a child wait for it during its backoff, and are not Stopped; one that fails while
// the one that it needs is being stopped as hung waits for that one; and a delay that was
// asked for before the child failed once more is dropped.
func TestRandomWalksOfAChainAreThoseOfRestForOne(t *testing.T) {
	t.Parallel()
	steps, walks := 0, equalWalks(t)
	chain := []child.Spec{
		worker("a", backoff), worker("b", transient, needs("a")), worker("c", backoff, atOnce, needs("b")), worker("d", transient, needs("c"))}
	var line []child.Spec
	for _, s := range chain {
		s.Needs = nil
		line = append(line, s)
	}
	ends := append([]Outcome{{Kind: Done}}, failsOrOK...)
	for seed := range walks {
		p := &pair{T: t, until: Closing, a: newWorld(equalScene(strategy.Graph, ends, chain...)), b: newWorld(equalScene(strategy.RestForOne, ends, line...))}
		p.up(p.a)
		p.up(p.b)
		steps += p.walk(rand.New(rand.NewPCG(3, uint64(seed))), notLate)
	}
	t.Logf("%d walks, %d steps", walks, steps)
}
