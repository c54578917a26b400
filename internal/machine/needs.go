package machine

import (
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/rules"
)

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
		case c.temporary():
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
	to, from := g.absent[first], m.Child(second)
	if c := m.Child(first); c != nil {
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
	faults := rules.Link(all).Faults(all, false)
	if len(faults) == 0 {
		return nil
	}
	f := faults[0]
	return &child.SpecError{Path: all[f.Index].Name, Field: f.Field, Problem: f.Problem}
}
