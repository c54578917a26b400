package machine

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
)

// The edges between the children of a Graph supervisor are in a side table: a child that
// neither has nor receives an edge has no node, and costs nothing here. Nodes and edges
// are in two slabs and refer to each other by index, where zero is none. The edges to a
// node are in a list, so one of them is removed without a look at the others.
//
// Each node counts what its neighbours have told it: see the counters of node. Only
// account, addEdge and removeEdge change those. Whatever changes the state or a mark of a
// child calls touch, and account tells the neighbours before anything is decided.

// A graph is the side table.
type graph struct {
	nodes []node
	edges []edge

	freeNode, freeEdge uint32 // first of the free ones; the next is node.users or edge.next

	// Nodes of names that no child has and others come After: such a child may be added
	// again.
	absent map[string]uint32
	names  map[uint32]string

	touched []uint32 // nodes that have yet to tell their neighbours what has changed
	front   []uint32 // nodes that may have something to do: see act
	atFront int      // how many of front have been looked at
	inBatch int      // how many of front the current batch has done
	asked   bool     // Continue was asked for, because of front

	walk, below []uint32 // for take, raise and sink
	epoch       uint32   // of the latest of these walks
}

// A node is a child that has edges, or a name in graph.absent.
type node struct {
	c    *Child // nil: no child has the name
	with *Child // the child with which it last had to stop or start; nil once it is ready and need not stop

	own   uint32 // the first of its edges: what it needs and comes after
	users uint32 // the first of the edges from children that need it
	later uint32 // the first of the edges from children that come after it

	// Counters of edges. Zero is what a start or a stop waits for.
	unmet  int32 // to children that it needs and that are not met: see standing
	before int32 // to children that it comes after and that start
	busy   int32 // from children that need it, and are alive or are busy themselves
	behind int32 // from children that come after it, and must stop
	cut    int32 // to children that it needs and that rest, or are cut themselves

	seen uint32 // epoch in which a walk has seen it
	told told   // what its neighbours know of it

	// The marks of a node, besides Child.marked, which says that it must start. Each comment
	// says when the mark is set and when it is cleared.

	// Alive, and must stop once nothing that needs it is alive. Set by claim, sink and
	// stopNode, cleared when it is no longer alive.
	going bool
	// It asks its backoff for a delay once nothing that needs it is alive. Set by failNode,
	// cleared by claim, sink, stopNode, restartNode and act.
	leads bool
	// It was stopped because a child that it needs was stopped. Set by sink, cleared by
	// claim and publishSunk.
	sunk bool
	// It is in graph.touched.
	isTouched bool
	// It is in graph.front.
	atFront bool

	why Why // the reason of its stop, if going
}

// told is what the neighbours of a node know of it.
type told uint8

const (
	met    told = 1 << iota // those that need it may run
	holds                   // it, or one that needs it, is alive
	rests                   // a caller has stopped it or something that it needs, so it does not start by itself
	starts                  // those that come after it wait for its start
	goes                    // it must stop before what it comes after
)

// An edge leads from a child to one that it needs, or comes after.
type edge struct {
	from, to         uint32
	next             uint32 // of the edges of from
	nextTo, previous uint32 // of the edges of its kind to to
	needs            bool
}

// nodeOf returns the node of c, which must have one.
func (m *Machine) nodeOf(c *Child) *node { return &m.graph.nodes[c.node] }

// addNode makes a node. Pointers to nodes are invalid afterwards. A child that is held, until
// Resume comes to it, is marked instead: see due.
func (g *graph) addNode(c *Child) uint32 {
	i := g.freeNode
	if i != 0 {
		n := &g.nodes[i]
		g.freeNode = n.users
		*n = node{c: c, isTouched: n.isTouched, atFront: n.atFront}
	} else {
		i = uint32(len(g.nodes))
		g.nodes = append(g.nodes, node{c: c})
	}
	if c != nil {
		c.node = i
		c.marked = c.marked || c.held
		c.held = false
	}
	return i
}

// newGraph returns a graph with room for as many nodes and edges.
func newGraph(nodes, edges int) *graph {
	return &graph{nodes: make([]node, 1, nodes+1), edges: make([]edge, 1, edges+1)}
}

// nodeNamed returns the node of the child with that name, which may not exist.
func (m *Machine) nodeNamed(name string) uint32 {
	g, c := m.graph, m.Child(name)
	switch {
	case c != nil && c.node != 0:
		return c.node
	case c != nil:
		i := g.addNode(c)
		m.touchNode(i)
		return i
	}
	i := g.absent[name]
	if i == 0 {
		i = g.addNode(nil)
		g.setAbsent(name, i)
	}
	return i
}

// connect makes the edges of c, and its node if it has any. If others come after its name
// already, it takes over the node that stands for that.
func (m *Machine) connect(c *Child) {
	if m.graph == nil && !rules.HasEdges(*c.Spec) {
		return
	}
	if m.graph == nil {
		m.graph = newGraph(0, 0)
	}
	g := m.graph
	if i := g.absent[c.Name()]; i != 0 {
		delete(g.absent, c.Name())
		delete(g.names, i)
		g.nodes[i].c, c.node = c, i
	}
	if rules.HasEdges(*c.Spec) {
		if c.node == 0 {
			g.addNode(c)
		}
		m.connectTo(c.node, c.Spec.After, false)
		m.connectTo(c.node, c.Spec.Needs, true)
	}
	if c.node != 0 {
		m.touch(c)
	}
}

// connectTo makes the edges from a node to names. A list begins with its latest edge, so
// it goes backwards.
func (m *Machine) connectTo(from uint32, names []string, needs bool) {
	for i := len(names) - 1; i >= 0; i-- {
		m.addEdge(from, m.nodeNamed(names[i]), needs)
	}
}

// addEdge makes an edge, and counts what its ends have told.
func (m *Machine) addEdge(from, to uint32, needs bool) {
	g := m.graph
	i := g.freeEdge
	if i != 0 {
		g.freeEdge = g.edges[i].next
	} else {
		i = uint32(len(g.edges))
		g.edges = append(g.edges, edge{})
	}
	f, t := &g.nodes[from], &g.nodes[to]
	first := &t.later
	if needs {
		first = &t.users
	}
	g.edges[i] = edge{from: from, to: to, next: f.own, nextTo: *first, needs: needs}
	if *first != 0 {
		g.edges[*first].previous = i
	}
	f.own, *first = i, i
	m.countEdge(&g.edges[i], 1)
}

// removeEdge removes the first edge of a node.
func (m *Machine) removeEdge(from uint32) {
	g := m.graph
	i := g.nodes[from].own
	e := g.edges[i]
	m.countEdge(&e, -1)
	switch t := &g.nodes[e.to]; {
	case e.previous != 0:
		g.edges[e.previous].nextTo = e.nextTo
	case e.needs:
		t.users = e.nextTo
	default:
		t.later = e.nextTo
	}
	if e.nextTo != 0 {
		g.edges[e.nextTo].previous = e.previous
	}
	g.nodes[from].own = e.next
	g.edges[i] = edge{next: g.freeEdge}
	g.freeEdge = i
}

// removeEdges removes all edges of a node.
func (m *Machine) removeEdges(from uint32) {
	g := m.graph
	for g.nodes[from].own != 0 {
		to := g.edges[g.nodes[from].own].to
		m.removeEdge(from)
		if g.nodes[to].c == nil {
			m.freeIfUnused(to)
		}
	}
}

// countEdge adds what the ends of an edge have told to the counters of the other ends, or
// subtracts it.
func (m *Machine) countEdge(e *edge, by int32) {
	f, t := &m.graph.nodes[e.from], &m.graph.nodes[e.to]
	if e.needs {
		m.add(e.from, &f.unmet, by*of(t.told^met, met))
		m.add(e.from, &f.cut, by*of(t.told, rests))
		m.add(e.to, &t.busy, by*of(f.told, holds))
		return
	}
	m.add(e.from, &f.before, by*of(t.told, starts))
	m.add(e.to, &t.behind, by*of(f.told, goes))
}

// of returns 1 if t has the bit, and 0 if not.
func of(t, bit told) int32 { return int32(count(t&bit != 0)) }

// add changes a counter of a node. What its neighbours know may change with it when the
// counter comes to zero or leaves it.
func (m *Machine) add(i uint32, counter *int32, by int32) {
	was := *counter
	*counter += by
	if by != 0 && (was == 0 || *counter == 0) {
		m.touchNode(i)
	}
}

// touch records that the state or a mark of c has changed.
func (m *Machine) touch(c *Child) { m.touchNode(c.node) }

func (m *Machine) touchNode(i uint32) {
	if n := &m.graph.nodes[i]; !n.isTouched {
		n.isTouched = true
		m.graph.touched = append(m.graph.touched, i)
	}
}

// account tells the neighbours of each node that was touched what has changed, and puts the
// node on the front. The counters are exact afterwards.
func (m *Machine) account() {
	g := m.graph
	for k := 0; k < len(g.touched); k++ { // more may be touched meanwhile
		i := g.touched[k]
		n := &g.nodes[i]
		n.isTouched = false
		now := m.standing(n)
		changed := n.told ^ now
		n.told = now
		if !n.atFront {
			n.atFront = true
			g.front = append(g.front, i)
		}
		if changed&(met|rests) != 0 {
			for e := n.users; e != 0; e = g.edges[e].nextTo {
				from := g.edges[e].from
				u := &g.nodes[from]
				m.add(from, &u.unmet, of(^now, met&changed)-of(now, met&changed))
				m.add(from, &u.cut, of(now, rests&changed)-of(^now, rests&changed))
			}
		}
		if changed&starts != 0 {
			for e := n.later; e != 0; e = g.edges[e].nextTo {
				from := g.edges[e].from
				m.add(from, &g.nodes[from].before, of(now, starts)-of(^now, starts))
			}
		}
		if changed&(holds|goes) == 0 {
			continue
		}
		for e := n.own; e != 0; e = g.edges[e].next {
			to, needs := g.edges[e].to, g.edges[e].needs
			switch t := &g.nodes[to]; {
			case needs && changed&holds != 0 && now&holds != 0 && t.told&holds != 0:
				t.busy++ // it is alive or busy already, so nothing changes for it
			case needs && changed&holds != 0:
				m.add(to, &t.busy, of(now, holds)-of(^now, holds))
			case !needs && changed&goes != 0:
				m.add(to, &t.behind, of(now, goes)-of(^now, goes))
			}
		}
	}
	g.touched = emptied(g.touched)
}

// emptied returns a list without its entries, and without its memory if that is much.
func emptied(list []uint32) []uint32 {
	if cap(list) > 16*maxKeptActions {
		return nil
	}
	return list[:0]
}

// standing returns what the neighbours of a node must know.
func (m *Machine) standing(n *node) (now told) {
	c := n.c
	if c == nil {
		return 0
	}
	set := func(bit told, is bool) {
		if is {
			now |= bit
		}
	}
	ended := (c.state == child.Done || c.declined()) && n.unmet == 0 // else what needs it could start before what it needs
	set(met, !c.marked && (c.state == child.Running || ended))
	set(holds, c.alive() || n.busy > 0)
	set(rests, m.isStopped(n) || n.cut > 0)
	set(starts, c.bootPending || c.state == child.Starting || c.marked && n.unmet == 0 && !n.leads)
	set(goes, c.alive() && (n.going || m.phase == Closing))
	return now
}

// declined reports whether c is down because its run declined to start.
func (c *Child) declined() bool { return c.state == child.Stopped && c.Ignored }

// disconnect removes the edges of c, which is being removed. Its node stays, without c,
// while others come after its name.
func (m *Machine) disconnect(c *Child) {
	g, i := m.graph, c.node
	n := &g.nodes[i]
	n.c, n.with, n.going, n.leads, n.sunk = nil, nil, false, false, false
	c.node = 0
	m.touchNode(i)
	m.removeEdges(i)
	g.setAbsent(c.Name(), i)
	m.freeIfUnused(i)
}

// setAbsent makes a node stand for a name that no child has.
func (g *graph) setAbsent(name string, i uint32) {
	if g.absent == nil {
		g.absent, g.names = make(map[string]uint32), make(map[uint32]string)
	}
	g.absent[name], g.names[i] = i, name
}

// freeIfUnused frees a node without a child unless edges lead to it.
func (m *Machine) freeIfUnused(i uint32) {
	g := m.graph
	n := &g.nodes[i]
	if n.users != 0 || n.later != 0 {
		return
	}
	delete(g.absent, g.names[i])
	delete(g.names, i)
	*n = node{users: g.freeNode, isTouched: n.isTouched, atFront: n.atFront} // it may still be in both lists
	g.freeNode = i
}
