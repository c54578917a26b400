package supervisor

import (
	"fmt"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
)

// The children of a Graph supervisor are changed along their edges: what is needed is added
// before what needs it, and removed after it. While children have their new edges one after the
// other, each after those to which they lead, the edges never form a cycle.

// edges is what a plan knows of the children of a Graph supervisor.
type edges struct {
	order []int               // of steps, each after those that it needs and comes after; nil: as they are
	late  map[string]bool     // of gone: children that are needed by some that stay, until these have their new edges
	users map[string][]string // names of the children that need a child, before or after the change
	down  map[string]bool     // children that are not restarted along, because somebody has stopped them
	names []string            // of all children, in the order in which they are listed
	index map[string]int      // of names that are desired in steps

	adopted map[string]bool // children that StartChild has added, and that are declared at the end
}

// alongEdges makes a plan follow the edges of a Graph supervisor.
func (p *plan) alongEdges(path string, m *machine.Machine) error {
	e := &edges{order: startOrder(p.want.Children).order, late: map[string]bool{}, users: map[string][]string{}, down: map[string]bool{}, index: map[string]int{}}
	p.edges = e
	for i := range p.steps {
		e.index[p.steps[i].spec.Name] = i
		e.names = append(e.names, p.steps[i].spec.Name)
	}
	var going []child.Spec
	for c := m.First(); c != nil; c = c.Next() {
		for _, name := range c.Spec.Needs {
			e.users[name] = append(e.users[name], c.Name())
		}
		e.down[c.Name()] = c.State() == child.Stopped && !c.Ignored && !c.Marked()
		if _, stays := e.index[c.Name()]; !stays {
			e.names = append(e.names, c.Name())
		}
		if p.removed[c.Name()] {
			going = append(going, *c.Spec)
		}
	}
	if err := p.removeAlongEdges(path, going, m); err != nil {
		return err
	}
	for i := range p.steps {
		s := &p.steps[i]
		if err := p.refuseTemporary(path, s); err != nil {
			return err
		}
		s.edges = s.what == update && s.child != nil && (!slices.Equal(s.child.Spec.Needs, s.spec.Needs) || !slices.Equal(s.child.Spec.After, s.spec.After))
		for _, name := range s.spec.Needs {
			if s.child == nil || !slices.Contains(s.child.Spec.Needs, name) { // else it is known
				e.users[name] = append(e.users[name], s.spec.Name)
			}
		}
	}
	return nil
}

// removeAlongEdges orders the children that are not desired any more: first those that need
// others.
func (p *plan) removeAlongEdges(path string, going []child.Spec, m *machine.Machine) error {
	order := startOrder(going)
	ended := slices.DeleteFunc(p.gone, func(name string) bool { return p.removed[name] })
	p.gone = make([]string, 0, len(going)+len(ended))
	for i := len(going) - 1; i >= 0; i-- {
		name := order.at(i).Name
		p.gone = append(p.gone, name)
		for _, user := range p.edges.users[name] {
			_, desired := p.edges.index[user]
			switch {
			case desired, p.edges.late[user]:
				p.edges.late[name] = true
			case !p.removed[user] && !m.Child(user).Removing(): // StartChild has added it
				return wrap(path+"/"+name, &machine.NeededError{By: user})
			}
		}
	}
	p.gone = append(p.gone, ended...)
	return nil
}

// refuseTemporary returns an error if a child would become Temporary while another one still
// needs it.
func (p *plan) refuseTemporary(path string, s *planStep) error {
	if s.spec.Restart != child.Temporary || s.child == nil {
		return nil
	}
	for _, user := range p.edges.users[s.spec.Name] {
		if !p.removed[user] || p.edges.late[user] {
			return &child.SpecError{
				Path: path + "/" + s.spec.Name, Field: "Restart",
				Problem: fmt.Sprintf("%q needs it until this Apply has ended: take that need away first, with an Apply of its own", user),
			}
		}
	}
	return nil
}

// along returns the children that are restarted because one that they need is replaced.
func (p *plan) along(replaced func(*planStep) bool) (names []string) {
	if p.edges == nil {
		return nil
	}
	found := map[string]bool{}
	var todo []string
	for i := range p.steps {
		if s := &p.steps[i]; s.what == replace && replaced(s) {
			todo = append(todo, s.spec.Name)
		}
	}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, user := range p.edges.users[name] {
			if !found[user] && !p.edges.down[user] && (!p.removed[user] || p.edges.late[user]) {
				found[user] = true
				todo = append(todo, user)
			}
		}
	}
	for _, name := range p.edges.names {
		i, desired := p.edges.index[name]
		if found[name] && !p.removed[name] && (!desired || p.steps[i].what < replace) {
			names = append(names, name)
		}
	}
	return names
}

// step returns the number of the step that comes as the one at i.
func (p *plan) step(i int) int {
	if p.edges == nil || p.edges.order == nil {
		return i
	}
	return p.edges.order[i]
}

// addsBefore calls wait for each child that is being added and to which an edge of step s leads.
// It reports whether all calls have returned true.
func (p *plan) addsBefore(s *planStep, wait func(i int) bool) bool {
	if p.edges == nil {
		return true
	}
	for k := range rules.Edges(s.spec) {
		if i, desired := p.edges.index[rules.Edge(s.spec, k)]; desired && p.steps[i].what == add && !wait(i) {
			return false
		}
	}
	return true
}

// mostChildren returns the limit for the children that are added: those that are removed after
// them do not count.
func (p *plan) mostChildren() int {
	if p.edges == nil || p.want.MaxChildren == 0 {
		return p.want.MaxChildren
	}
	return p.want.MaxChildren + len(p.edges.late)
}

// closeEdges makes a declaration of which only a part was reached complete. A child that
// StartChild has added is declared if one of the others has an edge to it, and an edge to a
// child that is not there is left out.
func (p *plan) closeEdges(children []child.Spec, m *machine.Machine) []child.Spec {
	if p.edges == nil {
		return children
	}
	known := make(map[string]bool, len(children))
	for i := range children {
		known[children[i].Name] = true
	}
	p.edges.adopted = map[string]bool{}
	for i := 0; i < len(children); i++ { // more may be added meanwhile
		spec := &children[i]
		for k := range rules.Edges(spec) {
			name := rules.Edge(spec, k)
			if c := m.Child(name); !known[name] && c != nil && !c.Removing() {
				known[name], p.edges.adopted[name] = true, true
				children = append(children, *c.Spec)
			}
		}
	}
	for i := range children {
		absent := func(name string) bool { return !known[name] }
		if spec := &children[i]; slices.ContainsFunc(spec.Needs, absent) || slices.ContainsFunc(spec.After, absent) {
			*spec = rules.Copy(*spec)
			spec.Needs, spec.After = slices.DeleteFunc(spec.Needs, absent), slices.DeleteFunc(spec.After, absent)
		}
	}
	return children
}

// adopts reports whether closeEdges has declared the child.
func (p *plan) adopts(name string) bool { return p.edges != nil && p.edges.adopted[name] }

// isLate reports whether the child, which is not desired any more, is removed after the others
// were replaced and added.
func (p *plan) isLate(name string) bool { return p.edges != nil && p.edges.late[name] }
