package machine

import (
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
)

// UpgradeChild replaces the spec of c, as Upgrade does for all children. c keeps running,
// unless something that it now needs is about to start or to stop: then it is restarted or
// stopped with that. UpgradeChild returns an error and changes nothing if a child with the
// edges of spec could not be added. The spec must not change afterwards.
func (m *Machine) UpgradeChild(c *Child, spec *child.Spec, now time.Duration) error {
	m.beginEvent(now)
	var err error
	switch {
	case m.phase >= Closing:
		err = ErrNotRunning
	case !m.isPresent(c) || c.Removing():
		err = ErrNotFound
	default:
		if err = m.refuseRelink(c, spec); err == nil {
			m.endTrial(c)
			m.relink(c, spec)
			m.setSpec(c, spec)
		}
	}
	m.endEvent()
	return err
}

// refuseRelink returns why c cannot have the edges of spec, or nil.
func (m *Machine) refuseRelink(c *Child, spec *child.Spec) error {
	if !m.isGraph() || sameEdges(c.Spec, spec) {
		return nil
	}
	return m.refuseEdges(spec)
}

func sameEdges(a, b *child.Spec) bool {
	return slices.Equal(a.Needs, b.Needs) && slices.Equal(a.After, b.After)
}

// relink gives c the edges of spec. Marks spread along the new edges, as in upgradeGraph.
func (m *Machine) relink(c *Child, spec *child.Spec) {
	if !m.isGraph() || sameEdges(c.Spec, spec) {
		return
	}
	next := *c.Spec
	next.Needs, next.After = slices.Clone(spec.Needs), slices.Clone(spec.After)
	m.setSpec(c, &next)
	if c.node != 0 {
		m.removeEdges(c.node)
	}
	if m.connect(c); c.node == 0 {
		return
	}
	m.account()
	g := m.graph
	for _, name := range next.Needs {
		t := m.Child(name)
		if t.alive() && m.isStopped(m.nodeOf(t)) {
			m.nodeOf(t).with = t
			g.walk = append(g.walk, t.node)
		}
	}
	m.sinkWalk(child.ErrStopped)
	for _, name := range next.Needs {
		if t := m.Child(name); t.marked {
			g.walk = append(g.walk, t.node)
		}
	}
	if c.marked {
		g.walk = append(g.walk, c.node)
	}
	m.takeWalk()
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
