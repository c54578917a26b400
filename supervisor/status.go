package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
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
	if s.latest() == nil {
		return nil
	}
	return s.AppendChildren([]child.Status{}, 0, in...)
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
func (l *life) status(c *machine.Child) child.Status {
	st := child.Status{Path: l.pathOf(c)}
	describe(c, &st)
	l.look().finish(&st)
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
	for _, f := range l.findings() {
		var below []error
		if f.nested != nil {
			below = f.nested.ills()
		}
		// What holds up a supervisor tells more than that it is not up.
		if f.ill && (f.state == child.Running || len(below) == 0) {
			ills = append(ills, &ChildError{Path: l.path + "/" + f.name, Err: f.err()})
		}
		ills = append(ills, below...)
	}
	return ills
}

// A finding is what Health notes of a child that is ill, or has a supervisor in it.
type finding struct {
	name    string
	state   child.State
	ill     bool
	waits   bool          // it is ill because it waits,
	left    time.Duration // for so long
	lastErr error
	unready error
	nested  *life
}

// findings returns what Health notes. The errors are made of it when the lock is
// released, and so is room for it: the walk counts what does not fit.
func (l *life) findings() []finding {
	var all []finding
	for {
		n := l.find(all)
		if n <= len(all) {
			return all[:n]
		}
		all = roomFor[finding](n, len(all))
	}
}

// find notes as many findings as fit into room, and returns how many there are.
func (l *life) find(room []finding) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for c := l.m.First(); c != nil; c = c.Next() {
		if !c.Declared {
			continue
		}
		var nested *life
		if c.Super { // else the run need not be looked at
			nested = runOfChild(c).has().nested
		}
		ill := isIll(c)
		if !ill && nested == nil {
			continue
		}
		if n < len(room) {
			f := finding{name: c.Name(), state: c.State(), ill: ill, lastErr: c.LastError, nested: nested}
			if c.Unready {
				f.unready = runOfChild(c).few.unready
			}
			if f.waits = c.NextStart > 0; f.waits { // else it is zero: see setState
				f.left = c.NextStart - now
			}
			room[n] = f
		}
		n++
	}
	return n
}

func isIll(c *machine.Child) bool {
	switch c.State() {
	case child.Running:
		return c.Unready
	case child.Done:
		return c.Lost
	}
	return !c.Ignored
}

// err is what is wrong with a child that is ill.
func (f *finding) err() error {
	switch {
	case f.state == child.Running:
		return &errs.Wrap{Sentinel: child.ErrNotReady, Cause: f.unready}
	case f.waits:
		return because(fmt.Errorf("%w: %s", child.ErrNotReady, nextStart(f.left)), f.lastErr)
	}
	return because(fmt.Errorf("%w: %v", child.ErrNotReady, f.state), f.lastErr)
}

func because(kind, reason error) error {
	if reason == nil {
		return kind
	}
	return &errs.Wrap{Sentinel: kind, Cause: reason}
}

// nextStart says when a child that waits is started.
func nextStart(in time.Duration) string {
	const century = 100 * 365 * 24 * time.Hour
	if in > century {
		return "next start: never"
	}
	return fmt.Sprint("next start in ", max(in, 0).Round(time.Millisecond))
}
