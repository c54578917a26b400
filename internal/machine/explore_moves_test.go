package machine

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A move is one event that may come next.
type move struct {
	name string
	do   func(*world)
}

// moves returns all events that may come next.
func (w *world) moves() []move {
	all := make([]move, 0, 32)
	add := func(name string, do func(*world)) { all = append(all, move{name, do}) }
	for i, g := range w.runs {
		id := runName(g.c, g.run)
		if g.inner != nil {
			w.innerMoves(i, id, add)
			continue
		}
		if !g.called && !(w.scene.bare && g.cancelled) {
			add("ready "+id, func(w *world) {
				g := &w.runs[i]
				g.called, g.ready = true, !g.abandoned && !g.cancelled
				event := func() { w.m.Ready(g.c, g.run, 0) }
				if g.ready {
					w.do("ready "+id, event)
				} else {
					w.dropped("late ready "+id, event)
				}
			})
		}
		ends := w.scene.ends
		if g.cancelled || g.abandoned {
			ends = ends[:1] // the outcome makes no difference then
		}
		for _, out := range ends {
			name := "exit " + id + " " + outcomeNames[out.Kind]
			add(name, func(w *world) { w.exit(i, name, out) })
		}
	}
	for i, t := range w.timers {
		if w.scene.bare && t.kind != RetryTimer {
			continue
		}
		name := "timer " + runName(t.c, t.run) + " " + timerNames[t.kind]
		add(name, func(w *world) { w.timerFires(i, name, 0) })
		if limit, limited := t.c.StopTimeout(); t.kind == StopTimer && limited && t.c.Nested {
			name += " after its full time"
			add(name, func(w *world) { w.timerFires(i, name, limit) })
		}
	}
	for i, t := range w.stale {
		name := "late timer " + runName(t.c, t.run) + " " + timerNames[t.kind]
		add(name, func(w *world) {
			t := w.stale[i]
			w.stale = slices.Delete(w.stale, i, i+1)
			if t.c.run == t.run && t.c.armed == t.kind {
				return // the shell can tell it from the new timer
			}
			w.dropped(name, func() { w.m.Timer(t.c, t.run, t.kind, 0) })
		})
	}
	for i, c := range w.backoffs {
		for _, d := range w.scene.delays() {
			name := fmt.Sprintf("delay %s %v", c.Name(), d)
			add(name, func(w *world) {
				c := w.backoffs[i]
				w.backoffs = slices.Delete(w.backoffs, i, i+1)
				w.do(name, func() { w.m.BackoffDelay(c, d, 0) })
			})
		}
	}
	if w.continues > 0 {
		add("continue", func(w *world) {
			w.continues--
			w.do("continue", func() { w.m.Continue(0) })
		})
	}
	if w.m.phase == Closing && w.scene.outOfTime {
		add("cancel-all", func(w *world) { w.do("cancel-all", func() { w.m.CancelAll(0) }) })
		add("abandon-all", func(w *world) { w.do("abandon-all", func() { w.m.AbandonAll(0) }) })
	}
	if w.calls > 0 && w.m.phase < Over {
		w.requests(add)
	}
	return all
}

func runName(c *Child, run uint64) string {
	return c.Name() + "#" + strconv.FormatUint(run, 10)
}

// delays returns what a backoff may answer.
func (s *scene) delays() []time.Duration {
	if s.bare {
		return []time.Duration{time.Second}
	}
	return []time.Duration{0, time.Second, -1}
}

func (w *world) requests(add func(string, func(*world))) {
	request := func(name string, do func(w *world, who *Waiter)) {
		add(name, func(w *world) {
			w.calls--
			w.callers++
			who := w.callers
			w.waiting = append(w.waiting, who)
			w.do(name, func() { do(w, &Waiter{Owner: who}) })
		})
	}
	for c := w.m.first; c != nil; c = c.next {
		n := c.Name()
		stop := func(remove bool) func(w *world, who *Waiter) {
			return func(w *world, who *Waiter) {
				c := w.m.Child(n)
				refused := remove && w.m.NeededBy(c) != nil
				w.m.Stop(c, remove, who, 0)
				if m := w.m; m.phase < Closing && w.m.isPresent(c) && !refused &&
					(c.state != child.Stopping && c.state.Alive() && !m.mustStop(c) || c.state == child.Waiting || c.afterStop == afterStopStart || c.marked) {
					w.fail("a stop cancels a start: %s", n)
				}
			}
		}
		request("stop "+n, stop(false))
		request("remove "+n, stop(true))
		request("restart "+n, func(w *world, who *Waiter) { w.m.Restart(w.m.Child(n), who, 0) })
	}
	if w.scene.replaces {
		w.replacements(request, add)
	}
	for _, spec := range w.scene.add {
		if w.m.Child(spec.Name) == nil {
			request("add "+spec.Name, func(w *world, who *Waiter) { w.m.Add(&spec, who, 0) })
		}
	}
	if w.m.phase < Closing {
		add("close", func(w *world) {
			w.calls--
			w.do("close", func() { w.m.Close(0) })
		})
		if w.scene.suspends {
			add("suspend", func(w *world) {
				w.calls--
				w.do("suspend", func() { w.m.Suspend(0) })
			})
		}
	}
	if w.m.phase < Closing && w.scene.newer != nil {
		for i, specs := range [][]child.Spec{w.scene.newer, w.scene.specs} {
			name := fmt.Sprint("upgrade ", i)
			add(name, func(w *world) {
				w.calls--
				w.do(name, func() {
					if err := w.m.Upgrade(w.scene.conf, specs, 0); err != nil {
						w.fail("a running supervisor can be upgraded: %v", err)
					}
				})
			})
		}
	}
	// Resume is not a request here, so that no world stays suspended.
}

// innerMoves adds the events of the supervisor that runs in a child.
func (w *world) innerMoves(i int, id string, add func(string, func(*world))) {
	g := w.runs[i]
	if !g.linked {
		add("link "+id, func(w *world) {
			g := &w.runs[i]
			g.linked = true
			w.do("link "+id, func() { w.m.Linked(g.c, g.run, 0) })
		})
		return
	}
	for _, mv := range g.inner.moves() {
		add(id+"/"+mv.name, func(w *world) {
			inner := w.runs[i].inner
			mv.do(inner)
			w.trace = w.trace.then(id + "/" + mv.name)
			if inner.failure != "" {
				w.fail("inside %s: %s", id, inner.failure)
			}
		})
	}
	switch {
	case g.inner.over:
		out := Outcome{Kind: Normal}
		switch end := g.inner.m.end; {
		case end.Kind.GaveUp():
			out = Outcome{Kind: Shutdown, Err: errWorld, GaveUp: true}
		case end.Kind == EndStart:
			out = Outcome{Kind: Failure, Err: errWorld}
		}
		name := "over " + id
		add(name, func(w *world) {
			g := w.runs[i]
			w.do("unlink "+id, func() { w.m.Unlinked(g.c, g.run, 0) })
			w.exit(i, name, out)
		})
	case g.inner.upSeen && !g.inner.upReported:
		add("up "+id, func(w *world) {
			g := &w.runs[i]
			g.inner.upReported, g.ready = true, true
			w.do("up "+id, func() { w.m.Ready(g.c, g.run, 0) })
		})
	}
	if g.cancelled && g.inner.m.phase < Closing {
		add("close "+id, func(w *world) {
			inner := w.runs[i].inner
			inner.do("close from above", func() { inner.m.Close(0) })
			w.trace = w.trace.then("close " + id)
		})
	}
}
