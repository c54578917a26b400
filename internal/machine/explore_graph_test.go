package machine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
)

// What must hold under strategy.Graph, whatever happens. The counters of the nodes are
// compared with the children, and the rest follows the edges of the specs, not those of the
// machine.

// clone copies a graph. at returns the copy of a child.
func (g *graph) clone(at func(*Child) *Child) *graph {
	if g == nil {
		return nil
	}
	n := *g
	n.nodes = slices.Clone(g.nodes)
	for i := range n.nodes {
		n.nodes[i].c, n.nodes[i].with = at(n.nodes[i].c), at(n.nodes[i].with)
	}
	n.edges, n.front, n.touched = slices.Clone(g.edges), slices.Clone(g.front), slices.Clone(g.touched)
	n.absent, n.names = maps.Clone(g.absent), maps.Clone(g.names)
	n.walk, n.below = nil, nil
	return &n
}

// key adds what matters to the hash of a state.
func (g *graph) key(num func(...int), order []*Child, index func(*Child) int) {
	if g == nil {
		return
	}
	num(len(g.front)-g.atFront, count(g.asked))
	for _, i := range g.front[g.atFront:] {
		num(index(g.nodes[i].c))
	}
	for _, c := range order {
		if c.node == 0 {
			num(-1)
			continue
		}
		n := &g.nodes[c.node]
		num(count(n.going), count(n.leads), count(n.sunk), int(n.why), int(n.told), int(n.unmet), int(n.before), int(n.busy), int(n.behind), int(n.cut))
	}
	num(len(g.absent))
}

func (m *Machine) describeNode(i uint32) string {
	n := &m.graph.nodes[i]
	return fmt.Sprintf("needs %v after %v: unmet %d before %d busy %d behind %d cut %d told %05b going=%v leads=%v sunk=%v",
		n.c.Spec.Needs, n.c.Spec.After, n.unmet, n.before, n.busy, n.behind, n.cut, n.told, n.going, n.leads, n.sunk)
}

// needs yields the children that c needs, and users those that need it.
func (w *world) needs(c *Child) (all []*Child) {
	for _, name := range c.Spec.Needs {
		if n := w.m.Child(name); n != nil {
			all = append(all, n)
		}
	}
	return all
}

func (w *world) users(c *Child) (all []*Child) {
	for u := w.m.first; u != nil; u = u.next {
		if slices.Contains(u.Spec.Needs, c.Name()) {
			all = append(all, u)
		}
	}
	return all
}

// comers returns the children that come after c.
func (w *world) comers(c *Child) (all []*Child) {
	for u := w.m.first; u != nil; u = u.next {
		if slices.Contains(u.Spec.After, c.Name()) {
			all = append(all, u)
		}
	}
	return all
}

// reach returns all that step leads to from c, in any number of steps.
func reach(c *Child, step func(*Child) []*Child) (all []*Child) {
	todo := step(c)
	for len(todo) > 0 {
		next := todo[0]
		if todo = todo[1:]; !slices.Contains(all, next) {
			all = append(all, next)
			todo = append(todo, step(next)...)
		}
	}
	return all
}

// readyFor reports whether those that need c may run.
func (c *Child) readyFor() bool {
	return c.state == child.Running || c.state == child.Done || c.declined()
}

// readyBelow reports whether those that need c may start: one that is down and counts as ready
// does so only with all that it needs.
func (w *world) readyBelow(c *Child) bool {
	return c.readyFor() && (c.state == child.Running ||
		!slices.ContainsFunc(w.needs(c), func(n *Child) bool { return n.marked || !w.readyBelow(n) }))
}

// A graphSnapshot is what the rules compare with: the children that were stopped by request,
// those that a caller is restarting, those that must stop because of the stop of one that they
// need, and, where edges change, all that must stop.
type graphSnapshot struct{ stopped, again, sunk, going []*Child }

func (w *world) lookAtGraph() (s graphSnapshot) {
	if !w.m.isGraph() || w.m.graph == nil {
		return s
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.node != 0 && w.m.isStopped(w.m.nodeOf(c)) {
			s.stopped = append(s.stopped, c)
		}
		if c.node != 0 && c.afterStop == afterStopStart {
			s.again = append(s.again, c)
		}
		if c.node != 0 && w.m.nodeOf(c).sunk {
			s.sunk = append(s.sunk, c)
		}
		if w.scene.newer != nil && w.m.mustStop(c) {
			s.going = append(s.going, c)
		}
	}
	return s
}

// checkRequests checks that nothing but a request starts what a request has stopped, and that
// a restart by request loses no child.
func (w *world) checkRequests(before graphSnapshot) {
	last := w.trace.name
	switch strings.Fields(last)[0] {
	case "restart", "replace", "add", "upgrade", "stop", "remove":
		return
	}
	for _, c := range before.stopped {
		if w.m.isPresent(c) && !w.m.isStopped(w.m.nodeOf(c)) && !c.Ignored && w.scene.newer == nil {
			w.fail("what was stopped by request stays stopped: %s is %v", c.Name(), c.state)
		}
	}
	for _, c := range before.again {
		if !w.m.isPresent(c) {
			w.fail("a restart by request loses no child: %s", c.Name())
		}
	}
}

// checkAfter checks that a child waits for what it comes after only while that starts.
func (w *world) checkAfter(c *Child) {
	n := w.m.nodeOf(c)
	if !c.marked || c.alive() || n.before == 0 || n.unmet > 0 || n.busy > 0 || n.leads {
		return
	}
	for _, name := range c.Spec.After {
		t := w.m.Child(name)
		if t == nil {
			continue
		}
		ready := !slices.ContainsFunc(w.needs(t), func(n *Child) bool { return !n.readyFor() || n.marked })
		if t.bootPending || t.state == child.Starting || t.marked && ready && !w.m.nodeOf(t).leads {
			return
		}
	}
	w.fail("a child waits for what it comes after only while that starts: %s", c.Name())
}

// checkGraph checks the rules of strategy.Graph.
func (w *world) checkGraph(before graphSnapshot, acts []Action) {
	if !w.m.isGraph() {
		return
	}
	w.checkCounters()
	w.checkEdgeActions(before, acts)
	if w.m.phase >= Closing {
		return
	}
	w.checkRequests(before)
	upgraded := w.scene.newer != nil
	for c := w.m.first; c != nil; c = c.next {
		if c.node != 0 {
			w.checkAfter(c)
		}
		if rules.HasEdges(*c.Spec) && c.node == 0 {
			w.fail("a child with edges has a node: %s", c.Name())
		}
		if upgraded {
			continue
		}
		if c.alive() && c.state != child.Stopping && !w.m.mustStop(c) {
			for _, n := range w.needs(c) {
				if hung := n.state == child.Stopping && n.afterStop == afterStopFail; (!n.readyFor() || n.marked) && !hung {
					w.fail("no child runs while one that it needs does not: %s needs %s", c.Name(), n.Name())
				}
			}
		}
		for _, n := range w.needs(c) {
			if n.marked && (w.m.nodeOf(c).leads || c.state == child.Waiting && !c.marked) {
				w.fail("a child does not wait for its own backoff while one that it needs must start: %s needs %s", c.Name(), n.Name())
			}
		}
		if c.node != 0 && w.m.isStopped(w.m.nodeOf(c)) {
			for _, u := range reach(c, w.users) {
				if !w.m.isStopped(w.m.nodeOf(u)) && (u.marked || u.state != child.Done && !u.declined()) {
					w.fail("above a child that was stopped by request all are down: %s is not, above %s", u.Name(), c.Name())
				}
			}
		}
	}
}

// checkEdgeActions checks the starts and stops of a step.
func (w *world) checkEdgeActions(before graphSnapshot, acts []Action) {
	forced := w.m.sweep.what >= sweepCancel
	for _, a := range acts {
		forced = forced || a.Kind == CancelAll || a.Kind == AbandonAll
	}
	last := w.trace.name
	forced = forced || strings.HasPrefix(last, "cancel-all") || strings.HasPrefix(last, "abandon-all")
	upgraded := w.scene.newer != nil
	for _, a := range acts {
		c := a.Child
		if c == nil || !w.m.isPresent(c) {
			continue
		}
		switch {
		case a.Kind == Launch && c.run == a.Run:
			for _, n := range w.needs(c) {
				if !w.readyBelow(n) {
					w.fail("a child starts when all that it needs are ready: %s needs %s", c.Name(), n.Name())
				}
			}
			for _, u := range reach(c, w.users) {
				if u.alive() && !upgraded {
					w.fail("a child starts when all that need it are down: %s was started while %s was alive", c.Name(), u.Name())
				}
			}
			for t := w.m.first; t != nil; t = t.next {
				if c.origin == originBoot && slices.Contains(c.Spec.After, t.Name()) && t.bootPending {
					w.fail("at the start of a supervisor a child waits for what it comes after: %s was started before %s", c.Name(), t.Name())
				}
				if slices.Contains(c.Spec.After, t.Name()) && t.state == child.Starting {
					w.fail("a child waits for the start of what it comes after: %s was started while %s was starting", c.Name(), t.Name())
				}
			}
		case a.Kind == Cancel && !forced && a.Why != WhyHung && a.Why != WhyTimeout:
			for _, u := range reach(c, w.users) {
				if u.alive() {
					w.fail("a child stops when all that need it are down: %s was asked while %s was alive", c.Name(), u.Name())
				}
			}
			for _, u := range w.comers(c) {
				if u.alive() && (w.m.mustStop(u) || w.m.phase == Closing) {
					w.fail("a child stops when what comes after it and stops too is down: %s was asked while %s was alive", c.Name(), u.Name())
				}
			}
			if slices.Contains(before.going, c) {
				continue // an upgrade may have taken away the edge for which it must stop
			}
			if a.Why == WhySibling && !slices.ContainsFunc(reach(c, w.needs), func(n *Child) bool {
				// The restart of n, which is Done, or its replacement. A child that is stopped
				// at once is down already.
				sunk := w.m.nodeOf(c).sunk || slices.Contains(before.sunk, c)
				cancelled := n == w.m.With(c) && (sunk || w.scene.replaces)
				return n.marked || w.m.mustStop(n) || !n.readyFor() || cancelled
			}) {
				w.fail("only children that need one that stops stop with it: %s", c.Name())
			}
		}
	}
}

// checkCounters compares the counters of each node, and what it has told, with the children.
func (w *world) checkCounters() {
	g := w.m.graph
	if g == nil {
		return
	}
	if len(g.touched) > 0 {
		w.fail("all that has changed is accounted for after an event")
	}
	if w.continues == 0 {
		for i := range g.nodes {
			if g.nodes[i].c != nil && w.m.due(&g.nodes[i]) != nothingDue {
				w.fail("what may happen happens at once: %s", g.nodes[i].c.Name())
			}
		}
	}
	edges := 0
	for c := w.m.first; c != nil; c = c.next {
		edges += len(c.Spec.Needs) + len(c.Spec.After)
		if c.node == 0 {
			continue
		}
		n := w.m.nodeOf(c)
		if n.c != c {
			w.fail("the node of %s is that of another child", c.Name())
			return
		}
		want := node{told: w.m.standing(n)}
		for _, name := range c.Spec.Needs {
			t := w.m.Child(name)
			if t == nil && (c.Removing() || w.m.phase >= Closing) {
				want.unmet++ // both are being removed
				continue
			}
			if t == nil || t.node == 0 {
				w.fail("%s needs %s, which is not there or has no node", c.Name(), name)
				return
			}
			want.unmet += of(^w.m.nodeOf(t).told, met)
			want.cut += of(w.m.nodeOf(t).told, rests)
		}
		for _, name := range c.Spec.After {
			if t := w.m.Child(name); t != nil {
				want.before += of(w.m.nodeOf(t).told, starts)
			} else if g.absent[name] == 0 {
				w.fail("%s comes after %s, and that is forgotten", c.Name(), name)
			}
		}
		for u := w.m.first; u != nil; u = u.next {
			for _, name := range u.Spec.Needs {
				if name == c.Name() {
					want.busy += of(w.m.nodeOf(u).told, holds)
				}
			}
			for _, name := range u.Spec.After {
				if name == c.Name() {
					want.behind += of(w.m.nodeOf(u).told, goes)
				}
			}
		}
		got := node{told: n.told, unmet: n.unmet, before: n.before, busy: n.busy, behind: n.behind, cut: n.cut}
		if got != want {
			w.fail("counters are exact: %s has %s", c.Name(), w.m.describeNode(c.node))
		}
		if n.going && !c.alive() || n.leads && (!c.marked || c.state != child.Waiting) || n.sunk && !c.alive() && w.m.phase < Closing {
			w.fail("marks fit the state: %s is %v, %s", c.Name(), c.state, w.m.describeNode(c.node))
		}
	}
	used := 0
	for i := range g.nodes {
		for e := g.nodes[i].own; e != 0 && (g.nodes[i].c != nil || g.names[uint32(i)] != ""); e = g.edges[e].next {
			used++
		}
	}
	if used != edges {
		w.fail("there are as many edges as the specs have: %d of %d", used, edges)
	}
}
