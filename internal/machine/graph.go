package machine

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// Under strategy.Graph there is no group operation. Each child that has edges has marks,
// which say what must happen to it, and it happens as soon as the counters of its node
// allow it: see act. So failures at the same time merge, and what is independent starts and
// stops concurrently.
//
//	a failure, a restart:  take   it and those that need it must start again
//	a stop:                sink   those that need it must stop, and stay down
//	a start by a caller:   raise  what it needs and somebody has stopped must start too
//
// Children without edges are handled as those of OneForOne are, and all start and stop in
// the batches of independent.go.
//
// Above a child that a caller has stopped, directly or through others, every child is
// stopped too, or is Done or has declined to start; only Upgrade may leave one running.

// isGraph reports whether children may have edges.
func (m *Machine) isGraph() bool { return m.conf.Strategy == strategy.Graph }

// bootGraph makes the nodes and edges of the declared children, which are all that there are.
// A list of edges begins with the latest, so it goes backwards.
func (m *Machine) bootGraph(specs []child.Spec, links rules.Links) {
	if links == nil {
		links = rules.Link(specs)
	}
	if links == nil {
		return
	}
	nodes := make([]uint32, len(specs)) // of the specs
	for _, to := range links {
		if to != rules.NoSpec {
			nodes[to] = 1 // it will have one
		}
	}
	m.graph = newGraph(min(len(specs), 2*len(links)), len(links))
	i := 0
	for c := m.first; c != nil; c = c.next {
		if nodes[i] != 0 || rules.Edges(c.Spec) > 0 {
			nodes[i] = m.graph.addNode(c)
		}
		i++
	}
	for c := m.last; c != nil; c = c.prev {
		i--
		for e := rules.Edges(c.Spec) - 1; e >= 0; e-- {
			var to uint32
			if link := links[len(links)-1]; link != rules.NoSpec {
				to = nodes[link]
			} else {
				to = m.nodeNamed(rules.Edge(c.Spec, e))
			}
			m.addEdge(nodes[i], to, e < len(c.Spec.Needs))
			links = links[:len(links)-1]
		}
	}
	m.touchAll()
}

// connectAll makes the nodes and edges of all children, as bootGraph does.
func (m *Machine) connectAll() {
	for c := m.last; c != nil; c = c.prev {
		m.connect(c)
	}
	if m.graph != nil {
		m.touchAll()
	}
}

// touchAll touches all nodes, in the order of their children.
func (m *Machine) touchAll() {
	m.graph.touched = m.graph.touched[:0]
	for c := m.first; c != nil; c = c.next {
		if c.node != 0 {
			m.nodeOf(c).isTouched = false
			m.touch(c)
		}
	}
}

// settle does what the marks and counters allow, in batches as walkBatch does. All events that
// the shell handles under one lock have one batch.
func (m *Machine) settle() {
	g := m.graph
	m.account()
	if g.asked {
		return // Continue will go on
	}
	for g.atFront < len(g.front) {
		i := g.front[g.atFront]
		what := m.due(&g.nodes[i])
		if what != nothingDue && g.inBatch >= m.batchSize {
			g.asked = true
			m.askContinue()
			return
		}
		g.atFront++
		g.nodes[i].atFront = false
		if what != nothingDue {
			g.inBatch++
			m.act(g.nodes[i].c, what)
			m.account()
		}
	}
	g.front, g.atFront = emptied(g.front), 0
}

// A due is what may be done to a node now.
type due uint8

const (
	nothingDue due = iota
	dueStop
	dueDelay // its backoff is asked for a delay
	dueStart
)

// due is the only decision that the counters are read for.
func (m *Machine) due(n *node) due {
	c := n.c
	switch {
	case c == nil || n.busy > 0:
	case c.alive():
		if (n.going || m.phase == Closing) && c.state != child.Stopping && n.behind == 0 {
			return dueStop
		}
	case m.phase == Closing:
	case n.leads:
		return dueDelay
	case c.marked && !m.suspended && n.unmet == 0 && n.before == 0:
		return dueStart
	}
	return nothingDue
}

// act does what is due.
func (m *Machine) act(c *Child, what due) {
	n := m.nodeOf(c)
	switch what {
	case dueStop:
		why := n.why
		if m.phase == Closing {
			why = WhyClosing
		}
		m.cancel(c, why)
	case dueDelay:
		n.leads, c.marked = false, false
		m.touch(c)
		m.awaitRetry(c)
	case dueStart:
		m.launch(c, c.origin == originAuto)
	}
}

// stateChanged is called by setState for a child with a node.
func (m *Machine) stateChanged(c *Child) {
	n := m.nodeOf(c)
	n.going = n.going && c.alive()
	n.leads = n.leads && c.state == child.Waiting
	if c.state == child.Running && !n.going {
		n.with = nil
	}
	m.touch(c)
}

// mustStop reports whether c must stop and was not asked to yet, because something that
// needs it is alive, or something that comes after it and must stop too.
func (m *Machine) mustStop(c *Child) bool { return c.node != 0 && m.nodeOf(c).going }

// With returns the child because of which c had to stop or start, if that is not over. The
// shell names it in events.
func (m *Machine) With(c *Child) *Child {
	if c.node == 0 {
		return nil
	}
	return m.nodeOf(c).with
}

// isStopped reports whether a caller has stopped the child, or is stopping it: it stays
// down.
func (m *Machine) isStopped(n *node) bool {
	c := n.c
	switch {
	case c.marked:
		return false
	case c.alive():
		return (n.going || c.state == child.Stopping) && (c.afterStop == afterStopKeep || c.afterStop == afterStopRemove)
	}
	return c.state == child.Stopped && !c.Ignored
}

// failNode is beginRestart for a child with a node.
func (m *Machine) failNode(c *Child) {
	m.take(c)
	if m.hasBackoff(c) {
		m.nodeOf(c).leads = true
		m.touch(c)
	} else {
		m.publishRestart(c, 0)
	}
}

// restartNode is Restart for a child with a node. Those that need it are restarted too.
func (m *Machine) restartNode(c *Child) {
	if c.marked { // it will start, and no longer waits for its backoff
		m.nodeOf(c).leads = false
		m.touch(c)
		return
	}
	c.requestOrigin()
	if c.alive() {
		c.afterStop = afterStopStart
	}
	m.take(c)
	m.nodeOf(c).why = WhyStopped
}

// stopNode is Stop for a child with a node: those that need it stop first.
func (m *Machine) stopNode(c *Child, to afterStop, why Why) {
	s := child.Stopped
	if c.state == child.Done { // for those that need it, this is as good as running
		s = child.Done
	}
	if !c.marked && (s == child.Done || c.state == child.Stopped) {
		switch {
		case to == afterStopRemove:
			m.retireAndRemove(c, child.ErrRemoved)
		case s == child.Done:
			m.answerWaiters(c, false, nil)
		default:
			m.retire(c, s, child.ErrStopped)
		}
		return
	}
	m.sink(c, &needError{c.Name(), child.ErrStopped})
	n := m.nodeOf(c)
	n.leads, n.sunk = false, false
	if c.alive() {
		c.afterStop, c.marked = to, false
		m.mustGo(c, why)
		n.why = why
		m.touch(c)
		return
	}
	if c.state == child.Waiting {
		a := m.publish(Stopped, c, nil)
		a.Clean, a.Run = true, 0
	}
	if to == afterStopRemove {
		m.retireAndRemove(c, child.ErrRemoved)
	} else {
		m.retire(c, s, child.ErrStopped)
	}
}
