package supervisor

import (
	"context"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// edgeFaults returns the edges of specs as children of a supervisor at path that is declared
// by s, and what is wrong with them. If all is true, there are no other children; otherwise the
// machine looks for names that specs does not have.
func (s *Spec) edgeFaults(path string, specs []child.Spec, all bool) (links rules.Links, faults []error) {
	if s.Strategy != strategy.Graph {
		for i := range specs {
			c := &specs[i]
			const problem = "only a supervisor with strategy.Graph accepts it"
			if len(c.Needs) > 0 {
				faults = append(faults, &child.SpecError{Path: path + "/" + c.Name, Field: "Needs", Problem: problem})
			}
			if len(c.After) > 0 {
				faults = append(faults, &child.SpecError{Path: path + "/" + c.Name, Field: "After", Problem: problem})
			}
		}
		return nil, faults
	}
	links = rules.Link(specs)
	for _, f := range links.Faults(specs, all) {
		faults = append(faults, &child.SpecError{Path: path + "/" + specs[f.Index].Name, Field: f.Field, Problem: f.Problem})
	}
	return links, faults
}

// specNamed returns the spec of the child with that name. Without edges, or if there is no
// such child, it has the name alone.
func (l *life) specNamed(name string) child.Spec {
	if !l.graph {
		return child.Spec{Name: name}
	}
	l.lock()
	defer l.mu.Unlock()
	if c := l.m.Child(name); c != nil {
		return *c.Spec
	}
	return child.Spec{Name: name}
}

// wrapMachine is wrap for an error of the machine, about the child or the supervisor at path.
// If it is a fault in the edges of a spec, which only the machine sees, it has the name of the
// child with that spec, and gets the path of that one.
func (l *life) wrapMachine(path string, err error) error {
	if fault, is := err.(*child.SpecError); is {
		return &child.SpecError{Path: l.path + "/" + fault.Path, Field: fault.Field, Problem: fault.Problem}
	}
	return wrap(path, err)
}

// A startingOrder is an order of specs in which each comes after those that it needs.
type startingOrder struct {
	specs []child.Spec
	order []int          // nil: as they are
	index map[string]int // of the name in order; nil if order is
}

// startOrder returns the order in which StartChild adds specs. They have no cycle.
func startOrder(specs []child.Spec) startingOrder {
	if len(specs) < 2 || !slices.ContainsFunc(specs, rules.HasEdges) {
		return startingOrder{specs: specs}
	}
	o := startingOrder{specs, make([]int, 0, len(specs)), make(map[string]int, len(specs))}
	at := make(map[string]int, len(specs))
	for i := range specs {
		at[specs[i].Name] = i
	}
	type step struct{ at, next int }
	for i := range specs {
		for stack := []step{{i, 0}}; len(stack) > 0; {
			top := &stack[len(stack)-1]
			spec := &specs[top.at]
			if _, done := o.index[spec.Name]; done {
				stack = stack[:len(stack)-1]
				continue
			}
			if top.next == rules.Edges(spec) {
				o.index[spec.Name] = len(o.order)
				o.order = append(o.order, top.at)
				stack = stack[:len(stack)-1]
				continue
			}
			name := rules.Edge(spec, top.next)
			top.next++
			if to, known := at[name]; known {
				stack = append(stack, step{to, 0})
			}
		}
	}
	return o
}

// at returns the spec at a place in the order.
func (o *startingOrder) at(i int) *child.Spec {
	if o.order == nil {
		return &o.specs[i]
	}
	return &o.specs[o.order[i]]
}

// waitForNeeds waits until those that spec needs are ready, among the calls made so far: the
// machine refuses a child that needs one that was never ready.
func (o *startingOrder) waitForNeeds(ctx context.Context, spec *child.Spec, calls []*call) error {
	for _, name := range spec.Needs {
		if i, of := o.index[name]; of {
			if err := calls[i].wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// copies returns copies of specs, so that the caller may use its own for something else.
func copies(specs []child.Spec) []child.Spec {
	made := slices.Clone(specs)
	for i := range made {
		if rules.HasEdges(made[i]) {
			made[i] = rules.Copy(made[i])
		}
	}
	return made
}
