package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// A plan is what Apply must do to get from what is declared, or runs, to a desired spec.
type plan struct {
	base      *Spec      // what is declared
	want      *Spec      // what is desired
	steps     []planStep // one for each desired child, in order
	gone      []string   // declared children that are not desired, the last first
	settings  []string   // fields of the supervisor's own spec that differ
	reordered bool

	removed map[string]bool // names of gone, those that are present
	edges   *edges          // of the children of a running Graph supervisor, or nil
	by      string          // the operator
	event   uint64          // number of EventApplying, or zero
	began   time.Duration
	done    Changes // what was changed, once it has ended
}

// A change is what a plan does about one child.
type change uint8

const (
	keep    change = iota
	update         // it takes other settings; the others need a start
	replace        // it is restarted with another spec
	add            // it is started; it may have been declared before
)

// A planStep is what a plan does about one child that is desired.
type planStep struct {
	what  change
	spec  *child.Spec    // what is desired
	old   *child.Spec    // what was declared before, or nil
	child *machine.Child // nil if it has ended and was removed; of add nil until the machine was asked
	edges bool           // an update that changes Needs or After, under Graph
	asked bool           // the machine was asked to replace it
	ok    bool           // it is ready, or was updated before the end
}

// empty reports whether nothing has to be done.
func (p *plan) empty() bool {
	return len(p.gone) == 0 && len(p.settings) == 0 && !p.reordered &&
		!slices.ContainsFunc(p.steps, func(s planStep) bool { return s.what != keep })
}

// stops reports whether the plan stops the child of that name.
func (p *plan) stops(name string) bool {
	return p.removed[name] || slices.ContainsFunc(p.steps, func(s planStep) bool {
		return s.what == replace && s.spec.Name == name
	}) || slices.Contains(p.along(func(*planStep) bool { return true }), name)
}

// starts reports whether the plan starts a child.
func (p *plan) starts() bool {
	return slices.ContainsFunc(p.steps, func(s planStep) bool { return s.what == replace || s.what == add })
}

// changes returns what the plan changes.
func (p *plan) changes() Changes {
	c := Changes{Removed: slices.Clone(p.gone), Settings: slices.Clone(p.settings), Reordered: p.reordered}
	for _, s := range p.steps {
		c.note(s)
	}
	c.Along = p.along(func(*planStep) bool { return true })
	return c
}

// note adds what a step changes.
func (c *Changes) note(s planStep) {
	switch name := s.spec.Name; {
	case s.what == keep:
		c.Unchanged++
	case s.what == update:
		c.Updated = append(c.Updated, name)
	case s.what == add && s.old == nil:
		c.Added = append(c.Added, name)
	default:
		c.Replaced = append(c.Replaced, name)
	}
}

// desiredFaults returns the problems of a spec as a desired one.
func (s *Supervisor) desiredFaults(want *Spec) error {
	path := s.Path()
	faults := []error{want.validate(path)}
	for i := range want.Children {
		if c := &want.Children[i]; c.Version == "" {
			at := path + "/" + c.Name
			if c.Name == "" {
				at = fmt.Sprintf("%s/[%d]", path, i)
			}
			faults = append(faults, &child.SpecError{Path: at, Field: "Version", Problem: "empty: Apply compares it with that of the child"})
		}
	}
	return errors.Join(faults...)
}

var errNoChildren = errors.New("the desired spec has no children; to remove all of them, Upgrade to that spec and then call RemoveChild")

// planAtRest plans for a supervisor that does not run: only its declaration changes.
func planAtRest(declared, want *Spec) (*plan, error) {
	if len(want.Children) == 0 && len(declared.Children) > 0 {
		return nil, errNoChildren
	}
	return newPlan(declared, want, nil), nil
}

// plan plans for a supervisor that runs. l.mu must be held.
func (l *life) plan(want *Spec) (*plan, error) {
	switch {
	case l.m.Phase() >= machine.Closing:
		return nil, ErrNotRunning
	case l.parent == nil && want.Name != "" && l.path != "/"+want.Name:
		return nil, errName
	case rules.Ordered(want.Strategy) != l.ordered, (want.Strategy == strategy.Graph) != l.graph:
		return nil, machine.ErrStrategy
	case l.m.Phase() == machine.Unborn:
		return planAtRest(l.spec, want)
	}
	p := newPlan(l.spec, want, &l.m)
	if len(want.Children) == 0 && len(p.removed) > 0 {
		return nil, errNoChildren
	}
	if n := l.m.Specs() - len(p.removed) + p.adds(); p.adds() > 0 && want.MaxChildren > 0 && n > want.MaxChildren {
		return nil, fmt.Errorf("%w: %d with those that StartChild has added, but MaxChildren is %d", ErrMaxChildren, n, want.MaxChildren)
	}
	if l.graph {
		if err := p.alongEdges(l.path, &l.m); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) adds() (n int) {
	for _, s := range p.steps {
		if s.what == add {
			n++
		}
	}
	return n
}

// newPlan compares what is declared, and what the machine runs if there is one, with what
// is desired.
func newPlan(declared, want *Spec, m *machine.Machine) *plan {
	if want.Name == "" {
		want.Name = declared.Name
	}
	p := &plan{base: declared, want: want, steps: make([]planStep, len(want.Children)), settings: differences(declared, want), removed: map[string]bool{}}
	before := make(map[string]*child.Spec, len(declared.Children))
	for i := range declared.Children {
		before[declared.Children[i].Name] = &declared.Children[i]
	}
	at := make(map[string]int, len(want.Children))
	for i := range want.Children {
		spec := &want.Children[i]
		at[spec.Name] = i
		p.steps[i] = stepTo(spec, before[spec.Name], m)
	}
	for i := range declared.Children { // those that have ended and were removed
		name := declared.Children[i].Name
		if _, stays := at[name]; !stays && m != nil && m.Child(name) == nil {
			p.gone = append(p.gone, name)
		}
	}
	last := -1
	for _, name := range present(declared, m) {
		i, stays := at[name]
		switch {
		case !stays:
			p.gone = append(p.gone, name)
			p.removed[name] = true
		case i < last:
			p.reordered = true
		default:
			last = i
		}
	}
	slices.Reverse(p.gone)
	return p
}

// present returns the names of the declared children, without those that have ended and were
// removed.
func present(declared *Spec, m *machine.Machine) (names []string) {
	if m == nil {
		for i := range declared.Children {
			names = append(names, declared.Children[i].Name)
		}
		return names
	}
	for c := m.First(); c != nil; c = c.Next() {
		if c.Declared {
			names = append(names, c.Name())
		}
	}
	return names
}

// wanted returns the declaration when everything is done.
func (p *plan) wanted() Spec {
	spec := *p.want
	spec.Children = make([]child.Spec, len(p.steps))
	for i, s := range p.steps {
		spec.Children[i] = *s.spec
	}
	return spec
}

// reached returns the declaration that fits what was done so far: what was replaced, added
// and removed, in the old order, with the old settings.
func (p *plan) reached(m *machine.Machine) Spec {
	steps := p.byName()
	spec := *p.base
	spec.Children = make([]child.Spec, 0, len(p.base.Children)+len(p.steps))
	for _, was := range p.base.Children {
		s := steps[was.Name]
		switch {
		case s == nil: // it is not desired
			if c := m.Child(was.Name); c != nil && !c.Removing() {
				spec.Children = append(spec.Children, was)
			}
		case s.isDone(m):
			spec.Children = append(spec.Children, *s.spec)
		default:
			if c := m.Child(was.Name); c != nil { // it may have its new edges already
				was.Needs, was.After = c.Spec.Needs, c.Spec.After
			}
			spec.Children = append(spec.Children, was)
		}
	}
	for i := range p.steps {
		if s := &p.steps[i]; s.old == nil && s.isDone(m) {
			spec.Children = append(spec.Children, *s.spec)
		}
	}
	spec.Children = p.closeEdges(spec.Children, m)
	return spec
}

func (p *plan) byName() map[string]*planStep {
	steps := make(map[string]*planStep, len(p.steps))
	for i := range p.steps {
		steps[p.steps[i].spec.Name] = &p.steps[i]
	}
	return steps
}

// changed returns what was changed so far. left is the number of children that are declared
// now.
func (p *plan) changed(m *machine.Machine, left int) Changes {
	var c Changes
	for _, name := range p.gone {
		if of := m.Child(name); !p.removed[name] || of == nil || of.Removing() {
			c.Removed = append(c.Removed, name)
		}
	}
	for i := range p.steps {
		if s := &p.steps[i]; s.what != keep && s.isDone(m) {
			c.note(*s)
		}
	}
	c.Along = p.along(func(s *planStep) bool { return s.asked })
	c.Unchanged = left - len(c.Added) - len(c.Replaced) - len(c.Updated)
	return c
}

// isDone reports whether the child is ready with its new spec.
func (s *planStep) isDone(m *machine.Machine) bool {
	switch {
	case s.ok:
		return true
	case s.child == nil || m.Child(s.spec.Name) != s.child:
		return false
	case s.what == add:
		return !s.child.Adding()
	}
	return s.child.Spec == s.spec && !m.Trying(s.child)
}

// stepTo returns what must be done about one child that is desired. before is what was
// declared, or nil.
func stepTo(spec, before *child.Spec, m *machine.Machine) planStep {
	if m == nil {
		switch {
		case before == nil:
			return planStep{what: add, spec: spec}
		case before.Version != spec.Version:
			return planStep{what: replace, spec: spec, old: before}
		case settingsOf(before) != settingsOf(spec):
			return planStep{what: update, spec: spec, old: before}
		}
		return planStep{what: keep, spec: before, old: before}
	}
	c := m.Child(spec.Name)
	switch {
	case c == nil && (before == nil || before.Version != spec.Version):
		return planStep{what: add, spec: spec, old: before}
	case c == nil && settingsOf(before) != settingsOf(spec):
		return planStep{what: update, spec: spec, old: before}
	case c == nil: // it has ended, and was removed
		return planStep{what: keep, spec: before, old: before}
	case c.Spec.Version != spec.Version:
		return planStep{what: replace, spec: spec, old: before, child: c}
	case !c.Declared, settingsOf(c.Spec) != settingsOf(spec):
		return planStep{what: update, spec: spec, old: before, child: c}
	}
	return planStep{what: keep, spec: c.Spec, old: before, child: c}
}

// The settings of a child are what can be compared of its spec. Of functions that is only
// whether there is one.
type settings struct {
	restart                                          child.Restart
	significant, retryStart, backoff, decides        bool
	startTimeout, stopTimeout, resetAfter, heartbeat time.Duration
	needs, after                                     string
}

func settingsOf(s *child.Spec) settings {
	return settings{
		s.Restart, s.Significant, s.RetryStart, s.Backoff != nil, s.Decide != nil,
		s.StartTimeout, s.StopTimeout, s.ResetAfter, s.Heartbeat,
		strings.Join(s.Needs, "/"), strings.Join(s.After, "/"),
	}
}

// differences returns the names of the fields of a supervisor's own spec that differ.
func differences(was, want *Spec) (names []string) {
	for _, f := range []struct {
		name    string
		differs bool
	}{
		{"Name", was.name() != want.name()},
		{"Strategy", was.Strategy != want.Strategy},
		{"Intensity", was.Intensity != want.Intensity},
		{"Backoff", (was.Backoff == nil) != (want.Backoff == nil)},
		{"AutoShutdown", was.AutoShutdown != want.AutoShutdown},
		{"MaxChildren", was.MaxChildren != want.MaxChildren},
		{"StopTimeout", was.StopTimeout != want.StopTimeout},
		{"Drain", was.Drain != want.Drain},
		{"PassPanics", was.PassPanics != want.PassPanics},
		{"Logger", was.Logger != want.Logger},
		{"Around", (was.Around == nil) != (want.Around == nil)},
	} {
		if f.differs {
			names = append(names, f.name)
		}
	}
	return names
}
