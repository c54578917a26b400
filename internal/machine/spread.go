package machine

import "github.com/coppice-go/coppice/child"

// claim makes a child start, when it has stopped if it is alive. with is the child that
// began it.
func (m *Machine) claim(c, with *Child) {
	n := m.nodeOf(c)
	c.marked = true
	n.leads, n.sunk, n.with = false, false, with
	m.mustGo(c, WhySibling)
	m.disarmRetry(c)
	m.touch(c)
}

// mustGo makes a child stop, if it is alive and was not asked to. The first reason stays.
func (m *Machine) mustGo(c *Child, why Why) {
	if n := m.nodeOf(c); c.alive() && c.state != child.Stopping && !n.going {
		n.going, n.why = true, why
	}
}

// take claims c, what it needs and a caller has stopped, and all that need one of these.
func (m *Machine) take(c *Child) {
	m.claim(c, c)
	m.graph.walk = append(m.graph.walk[:0], c.node)
	m.takeWalk()
}

// takeWalk goes on from the claimed nodes in graph.walk. It leaves alone what a caller has
// stopped, and what is Done or has declined and could not start again because a caller has
// stopped something that it needs.
func (m *Machine) takeWalk() {
	g := m.graph
	m.account() // cut must be exact
	for k := 0; k < len(g.walk); k++ {
		m.raise(g.walk[k])
	}
	for k := 0; k < len(g.walk); k++ {
		i := g.walk[k]
		with := g.nodes[i].with
		for e := g.nodes[i].users; e != 0; e = g.edges[e].nextTo {
			from := g.edges[e].from
			n := &g.nodes[from]
			down := n.c.state == child.Done || n.c.declined()
			switch {
			case n.c.marked && n.leads: // it starts with the other one, not after its own backoff
				m.claim(n.c, with)
				continue
			case n.c.marked, m.isStopped(n), down && n.cut > 0:
				continue
			}
			m.claim(n.c, with)
			g.walk = append(g.walk, from)
			m.raise(from)
		}
	}
	g.walk = emptied(g.walk)
}

// raise claims what a claimed node needs, directly or through others, if a caller has
// stopped it. These are added to graph.walk.
func (m *Machine) raise(i uint32) {
	g := m.graph
	if g.nodes[i].cut == 0 {
		return
	}
	with := g.nodes[i].c
	g.nextEpoch()
	g.below = append(g.below[:0], i)
	for len(g.below) > 0 {
		last := len(g.below) - 1
		i := g.below[last]
		g.below = g.below[:last]
		for e := g.nodes[i].own; e != 0; e = g.edges[e].next {
			to := g.edges[e].to
			n := &g.nodes[to]
			if !g.edges[e].needs || n.c == nil || n.seen == g.epoch || n.told&rests == 0 {
				continue
			}
			n.seen = g.epoch
			g.below = append(g.below, to)
			if m.isStopped(n) {
				n.c.requestOrigin()
				m.claim(n.c, with)
				g.walk = append(g.walk, to)
			}
		}
	}
	m.account()
}

// nextEpoch begins a walk: no node has been seen.
func (g *graph) nextEpoch() {
	if g.epoch++; g.epoch == 0 { // after four billion walks
		for i := range g.nodes {
			g.nodes[i].seen = 0
		}
		g.epoch = 1
	}
}

// sink makes all children that need c, directly or through others, stop and stay down.
// Callers that wait for their start get err.
func (m *Machine) sink(c *Child, err error) {
	m.nodeOf(c).with = c
	m.graph.walk = append(m.graph.walk[:0], c.node)
	m.sinkWalk(err)
}

// sinkWalk goes on from the nodes in graph.walk.
func (m *Machine) sinkWalk(err error) {
	g := m.graph
	g.nextEpoch()
	for k := 0; k < len(g.walk); k++ {
		with := g.nodes[g.walk[k]].with
		for e := g.nodes[g.walk[k]].users; e != 0; e = g.edges[e].nextTo {
			i := g.edges[e].from
			n := &g.nodes[i]
			if n.seen == g.epoch || m.isStopped(n) {
				continue
			}
			n.seen, n.with = g.epoch, with
			m.sinkOne(n, err)
			g.walk = append(g.walk, i)
		}
	}
	g.walk = emptied(g.walk)
}

// sinkOne makes one child stop and stay down. What is Done or has declined stays so. A
// Temporary child that waits for its start is kept, for another attempt.
func (m *Machine) sinkOne(n *node, err error) {
	c := n.c
	n.leads = false
	switch {
	case c.alive():
		c.marked = false
		n.sunk = true
		m.mustGo(c, WhySibling)
		if c.afterStop != afterStopRemove {
			c.afterStop = afterStopKeep
		}
		m.touch(c)
	case c.state == child.Done || c.declined():
		if c.marked {
			m.retireKept(c, c.state, err)
		}
	default: // it waits for its start
		m.publish(Stopped, c, ErrNeedStopped).Run = 0
		m.retireKept(c, child.Stopped, err)
	}
}

// publishSunk publishes that c stays down because something that it needs was stopped. It
// returns why c is down, for callers that wait for its start.
func (m *Machine) publishSunk(c *Child) error {
	if c.node == 0 || !m.nodeOf(c).sunk {
		return child.ErrStopped
	}
	n := m.nodeOf(c)
	n.sunk = false
	m.publish(Stopped, c, ErrNeedStopped).Run = 0
	return &needError{n.with.Name(), child.ErrStopped}
}
