package supervisor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/verdict"
)

// Counts is OTP's count_children.
type Counts struct {
	Specs       int // children, running or not
	Active      int // children whose Run has been called and has not returned
	Supervisors int // children in which a supervisor runs, or last ran
	Workers     int // all others
}

// Count returns how many children the supervisor has. It takes constant time.
// Before the first start, and after the end, all are zero but for what the end
// has left stopped.
func (s *Supervisor) Count() Counts {
	l := s.latest()
	if l == nil {
		return Counts{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	specs, supers := l.m.Specs(), l.m.Supervisors()
	return Counts{Specs: specs, Active: l.m.Live(), Supervisors: supers, Workers: specs - supers}
}

// Children returns the children in start order, only those in one of the given
// states if any is given. It answers at once, also in the middle of a group
// restart. Before the first start it returns none; after the end, what the end
// has left.
func (s *Supervisor) Children(in ...child.State) []child.Status {
	l := s.latest()
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]child.Status, 0, l.m.Specs())
	made := paths{base: l.path}
	for c := l.m.First(); c != nil; c = c.Next() {
		if len(in) == 0 || slices.Contains(in, c.State()) {
			all = append(all, l.statusAt(c, made.of(c)))
		}
	}
	return all
}

// paths makes the paths of many children in text that they share, a few dozen to a
// piece: so they cost little, and who keeps one does not keep all.
type paths struct {
	base string
	text strings.Builder
	made int
}

func (p *paths) of(c *machine.Child) string {
	const mostShared = 64
	size := len(p.base) + 1 + len(c.Name())
	if p.text.Cap()-p.text.Len() < size {
		p.text = strings.Builder{}
		p.text.Grow(size * min(mostShared, p.made+1)) // twice as many each time
	}
	p.made++
	start := p.text.Len()
	p.text.WriteString(p.base)
	p.text.WriteByte('/')
	p.text.WriteString(c.Name())
	return p.text.String()[start:]
}

// Lookup returns the child at a path: a name, a path from this supervisor, or a
// full one. It reports false if there is none, or the supervisor does not run.
func (s *Supervisor) Lookup(path string) (child.Status, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return child.Status{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil {
		return child.Status{}, false
	}
	return l.status(c), true
}

// status describes a child. Under the lock.
func (l *life) status(c *machine.Child) child.Status { return l.statusAt(c, l.pathOf(c)) }

// statusAt is status of a child whose path is known.
func (l *life) statusAt(c *machine.Child, path string) child.Status {
	st := child.Status{
		Name:       c.Name(),
		Path:       path,
		State:      c.State(),
		Since:      l.began.Add(c.Since),
		Restarts:   c.Restarts,
		LastError:  c.LastError,
		Abandoned:  int(c.Abandoned),
		Restart:    c.Spec.Restart,
		Supervisor: c.Super,
	}
	if c.NextStart != 0 {
		st.NextStart = l.began.Add(c.NextStart)
	}
	if c.Unready && c.State().Alive() {
		st.Unready = runOfChild(c).few.unready
	}
	return st
}

// Health returns nil when every declared child of the subtree is ready, else a
// line for each that is not, joined by errors.Join, each beginning with its path.
// A child that has ended well, or declined to run, is fine; one that was stopped
// by hand is not, nor a supervisor that gave up. Children that were added by
// StartChild do not count. A supervisor that does not run is ErrNotRunning.
func (s *Supervisor) Health() error {
	l, err := s.running()
	if err != nil {
		return err
	}
	return errors.Join(l.ills()...)
}

// ills returns the errors of the declared children of the subtree, in start order.
func (l *life) ills() (ills []error) {
	type member struct {
		ill    error
		nested *life
		up     bool
	}
	var members []member
	l.mu.Lock()
	for c := l.m.First(); c != nil; c = c.Next() {
		if !c.Declared {
			continue
		}
		m := member{up: c.State() == child.Running}
		r := runOfChild(c)
		if r != nil {
			m.nested = r.has().nested
		}
		if ill := ill(c, r, l.now()); ill != nil {
			m.ill = &ChildError{Path: l.pathOf(c), Err: ill}
		}
		if m.ill != nil || m.nested != nil {
			members = append(members, m)
		}
	}
	l.mu.Unlock()
	for _, m := range members {
		var below []error
		if m.nested != nil {
			below = m.nested.ills()
		}
		// What holds up a supervisor tells more than that it is not up.
		if m.ill != nil && (m.up || len(below) == 0) {
			ills = append(ills, m.ill)
		}
		ills = append(ills, below...)
	}
	return ills
}

// ill returns what is wrong with a child, or nil.
func ill(c *machine.Child, r *run, now time.Duration) error {
	switch state := c.State(); {
	case state == child.Running && r.has().unready == nil, state == child.Done && !c.Lost, c.Ignored:
		return nil
	case state == child.Running:
		return &verdict.Because{Kind: child.ErrNotReady, Reason: r.few.unready}
	case state == child.Waiting && c.NextStart > 0:
		return because(fmt.Errorf("%w: next start in %v", child.ErrNotReady, (c.NextStart-now).Round(time.Millisecond)), c.LastError)
	case c.LastError != nil:
		return because(fmt.Errorf("%w: %v", child.ErrNotReady, state), c.LastError)
	default:
		return fmt.Errorf("%w: %v", child.ErrNotReady, state)
	}
}

func because(kind, reason error) error {
	if reason == nil {
		return kind
	}
	return &verdict.Because{Kind: kind, Reason: reason}
}
