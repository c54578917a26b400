package machine

import (
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
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

// bootGraph makes the nodes and edges of the declared children.
func (m *Machine) bootGraph() {
	edges, nodes := 0, 0
	for c := m.first; c != nil; c = c.next {
		if n := len(c.Spec.Needs) + len(c.Spec.After); n > 0 {
			edges, nodes = edges+n, nodes+1
		}
	}
	if edges == 0 {
		return
	}
	m.graph = newGraph(min(nodes+edges, m.specs), edges)
	m.connectAll()
}

// connectAll makes the nodes and edges of all children. A list of edges begins with the
// latest, so it goes backwards, and then touches the nodes in the order of the children.
func (m *Machine) connectAll() {
	for c := m.last; c != nil; c = c.prev {
		m.connect(c)
	}
	if m.graph == nil {
		return
	}
	m.graph.touched = m.graph.touched[:0]
	for c := m.first; c != nil; c = c.next {
		if c.node != 0 {
			m.nodeOf(c).isTouched = false
			m.touch(c)
		}
	}
}

// settle does what the marks and counters allow, in batches as walkBatch does.
func (m *Machine) settle() {
	g := m.graph
	m.account()
	if g.asked {
		return // Continue will go on
	}
	for n := 0; g.atFront < len(g.front); {
		i := g.front[g.atFront]
		what := m.due(&g.nodes[i])
		if what != nothingDue && n == m.batchSize {
			g.asked = true
			m.askContinue()
			return
		}
		g.atFront++
		g.nodes[i].atFront = false
		if what != nothingDue {
			n++
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

// HasEdges reports whether c needs others or comes after them, or the other way round.
func (c *Child) HasEdges() bool { return c.node != 0 }

// IsNeeded reports whether a child needs c.
func (m *Machine) IsNeeded(c *Child) bool { return c.node != 0 && m.nodeOf(c).users != 0 }

// Lacks returns a child that is not ready yet, and without which c does not start. It returns
// nil if there is none, or if c is not about to start.
func (m *Machine) Lacks(c *Child) *Child {
	if c.node == 0 || !c.marked || c.alive() {
		return nil
	}
	g := m.graph
	for i := c.node; g.nodes[i].unmet > 0; { // if what c needs is down, look at what that needs
		e := g.nodes[i].own
		for !g.edges[e].needs || g.nodes[g.edges[e].to].told&met != 0 {
			e = g.edges[e].next
		}
		i = g.edges[e].to
		if n := g.nodes[i].c; n == nil || n.marked || n.state != child.Done && !n.declined() {
			return n
		}
	}
	return nil
}

// NeededBy returns a child that needs c and is not being removed, or nil.
func (m *Machine) NeededBy(c *Child) *Child {
	if c.node == 0 {
		return nil
	}
	g := m.graph
	for e := m.nodeOf(c).users; e != 0; e = g.edges[e].nextTo {
		if user := g.nodes[g.edges[e].from].c; !user.Removing() {
			return user
		}
	}
	return nil
}

// A NeededError refuses to remove a child that another one needs. It is an ErrNeeded.
type NeededError struct{ By string }

func (e *NeededError) Error() string {
	return ErrNeeded.Error() + ": remove " + oneline.Text(e.By) + " first"
}

// Unwrap returns ErrNeeded.
func (e *NeededError) Unwrap() error { return ErrNeeded }

// A needError answers callers that wait for a start of a child if one that it needs was
// stopped, or could not be started.
type needError struct {
	name string
	err  error
}

func (e *needError) Error() string { return "needs " + oneline.Text(e.name) + ": " + oneline.Of(e.err) }
func (e *needError) Unwrap() error { return e.err }

// refuseEdges returns why a child with these edges cannot be added, or nil.
func (m *Machine) refuseEdges(spec *child.Spec) error {
	fault := func(field, problem string) error {
		return &child.SpecError{Path: spec.Name, Field: field, Problem: problem}
	}
	for _, name := range spec.Needs {
		switch c := m.Child(name); {
		case c == nil:
			return fault("Needs", rules.NoSuchChild(name))
		case c.Spec.Restart == child.Temporary:
			return fault("Needs", rules.NeedsTemporary(name))
		case c.Removing():
			return fault("Needs", fmt.Sprintf("%q is being removed", name))
		case c.origin == originAdded:
			return fault("Needs", fmt.Sprintf("%q is being added and was never ready: wait for that", name))
		}
	}
	for _, edges := range []struct {
		field string
		names []string
	}{{"Needs", spec.Needs}, {"After", spec.After}} {
		for _, name := range edges.names {
			if m.precedes(spec.Name, name) {
				return fault(edges.field, fmt.Sprintf("cycle: %q comes after %q itself, directly or through others", name, spec.Name))
			}
		}
	}
	return nil
}

// precedes reports whether the child with the second name waits for the start of the one
// with the first name, which may not exist, directly or through others.
func (m *Machine) precedes(first, second string) bool {
	g := m.graph
	if g == nil {
		return false
	}
	to, from := g.absent[first], m.names[second]
	if c := m.names[first]; c != nil {
		to = c.node
	}
	if to == 0 || from == nil || from.node == 0 {
		return false
	}
	g.nextEpoch()
	g.below = append(g.below[:0], from.node)
	for len(g.below) > 0 {
		last := len(g.below) - 1
		i := g.below[last]
		g.below = g.below[:last]
		if i == to {
			return true
		}
		for e := g.nodes[i].own; e != 0; e = g.edges[e].next {
			if n := &g.nodes[g.edges[e].to]; n.seen != g.epoch {
				n.seen = g.epoch
				g.below = append(g.below, g.edges[e].to)
			}
		}
	}
	return false
}

// Precedes reports whether a start of a child with these edges would wait for the child with
// that name, directly or through others.
func (m *Machine) Precedes(name string, spec *child.Spec) bool {
	for _, names := range [][]string{spec.Needs, spec.After} {
		for _, n := range names {
			if n == name || m.precedes(name, n) {
				return true
			}
		}
	}
	return false
}

// upgradeFault returns what is wrong with new specs together with the children that they do
// not name, or nil.
func (m *Machine) upgradeFault(specs []*child.Spec) error {
	all := make([]child.Spec, 0, len(specs))
	named := make(map[string]bool, len(specs))
	for _, spec := range specs {
		all = append(all, *spec)
		named[spec.Name] = true
	}
	for c := m.first; c != nil; c = c.next {
		if !named[c.Name()] {
			all = append(all, *c.Spec)
		}
	}
	faults := rules.Faults(all, false)
	if len(faults) == 0 {
		return nil
	}
	f := faults[0]
	return &child.SpecError{Path: all[f.Index].Name, Field: f.Field, Problem: f.Problem}
}

// upgradeGraph makes all nodes and edges again and keeps the marks, which then spread along
// the new edges. What runs above a child that is down runs on until that one starts.
func (m *Machine) upgradeGraph() {
	if old := m.graph; old != nil {
		m.graph = newGraph(len(old.nodes), len(old.edges))
		m.graph.asked = old.asked
		for c := m.first; c != nil; c = c.next {
			if c.node != 0 {
				was := &old.nodes[c.node]
				n := &m.graph.nodes[m.graph.addNode(c)]
				n.going, n.leads, n.sunk, n.with, n.why = was.going, was.leads, was.sunk, was.with, was.why
			}
		}
	}
	if m.connectAll(); m.graph == nil {
		return
	}
	m.account()
	g := m.graph
	for c := m.first; c != nil; c = c.next {
		if c.node == 0 {
			continue
		}
		if c.Removing() && m.NeededBy(c) != nil {
			c.afterStop = afterStopKeep
		}
		if n := m.nodeOf(c); c.alive() && m.isStopped(n) {
			n.with = c
			g.walk = append(g.walk, c.node)
		}
	}
	m.sinkWalk(child.ErrStopped)
	for c := m.first; c != nil; c = c.next {
		if c.node != 0 && c.marked {
			g.walk = append(g.walk, c.node)
		}
	}
	m.takeWalk()
}
