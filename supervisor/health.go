package supervisor

import (
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// Health returns nil if every declared child of the subtree is ready. Otherwise it
// returns one error for each child that is not, joined by errors.Join, each starting with
// the child's path. A child that completed, or declined to run with child.ErrIgnore, is
// healthy. A child that was stopped with StopChild is not, nor is a supervisor that gave
// up. Children added with StartChild are ignored. While the supervisor stops, there is
// always an error, and while the root waits for Spec.Drain one that is ErrDraining. If it
// is not running, Health returns ErrNotRunning.
func (s *Supervisor) Health() error {
	l, err := s.running()
	if err != nil {
		return err
	}
	found := l.unhealthy()
	if above := l.notUp(); len(found) == 0 || errors.Is(errors.Join(above...), ErrDraining) {
		found = append(above, found...)
	}
	return errors.Join(found...)
}

// notUp returns one error for a supervisor that starts or stops, and none if it is up. The
// children of one that stops may all be healthy: those that are left may have been added.
func (l *life) notUp() []error {
	l.lock()
	state, draining := l.state(), l.drains()
	l.mu.Unlock()
	switch {
	case draining:
		return []error{&ChildError{Path: l.path, Err: ErrDraining}}
	case state == child.Running:
		return nil
	}
	return []error{&ChildError{Path: l.path, Err: fmt.Errorf("%w: %v", child.ErrNotReady, state)}}
}

// unhealthy returns the errors of the unhealthy declared children of the subtree, in start
// order.
func (l *life) unhealthy() (found []error) {
	for _, f := range l.findings() {
		var below []error
		if f.nested != nil {
			below = f.nested.unhealthy()
			if len(below) == 0 && !f.unhealthy {
				below = f.nested.notUp()
			}
		}
		// What a supervisor waits for says more than that it is not up.
		if f.unhealthy && (f.state == child.Running || len(below) == 0) {
			found = append(found, &ChildError{Path: l.path + "/" + f.name, Err: f.err()})
		}
		found = append(found, below...)
	}
	return found
}

// A finding is what Health notes about a child that is unhealthy or runs a supervisor.
type finding struct {
	name      string
	state     child.State
	unhealthy bool
	waits     bool          // it is unhealthy because it waits for its restart
	left      time.Duration // time until that restart
	lastErr   error
	unready   error
	lacks     string // name of the child that it waits for; "" is none, or not known
	nested    *life
}

// findings returns the findings of this supervisor. Errors are built from them after the
// lock is released. Room for them is also allocated without the lock: find counts those
// that do not fit.
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

// find stores as many findings as fit into room, and returns how many there are.
func (l *life) find(room []finding) (n int) {
	l.lock()
	defer l.mu.Unlock()
	now := l.now()
	for c := l.m.First(); c != nil; c = c.Next() {
		if !c.Declared {
			continue
		}
		var nested *life
		if c.Super { // otherwise no supervisor runs in it
			nested = runOfChild(c).rareFields().nested
		}
		unhealthy := isUnhealthy(c)
		if !unhealthy && nested == nil {
			continue
		}
		if n < len(room) {
			f := finding{name: c.Name(), state: c.State(), unhealthy: unhealthy, lastErr: c.Failures().LastError, nested: nested}
			if c.Unready {
				f.unready = runOfChild(c).rare.unready
			}
			if next := c.Failures().NextStart; next > 0 { // otherwise it is zero: see setState
				f.waits, f.left = true, next-now
			} else {
				f.lacks = l.lacks(c)
			}
			room[n] = f
		}
		n++
	}
	return n
}

// lacks returns the name of the sibling that a child of a Graph supervisor waits for, or "".
// l.mu must be held.
func (l *life) lacks(c *machine.Child) string {
	if n := l.m.Lacks(c); n != nil {
		return n.Name()
	}
	return ""
}

func isUnhealthy(c *machine.Child) bool {
	switch c.State() {
	case child.Running:
		return c.Unready
	case child.Done:
		return c.Lost
	}
	return !c.Ignored
}

// err returns the error of an unhealthy child.
func (f *finding) err() error {
	switch {
	case f.state == child.Running:
		return &errs.Wrap{Sentinel: child.ErrNotReady, Cause: f.unready}
	case f.waits:
		return because(fmt.Errorf("%w: %s", child.ErrNotReady, nextStart(f.left)), f.lastErr)
	case f.lacks != "":
		return because(fmt.Errorf("%w: waiting for %s", child.ErrNotReady, oneline.Text(f.lacks)), f.lastErr)
	}
	return because(fmt.Errorf("%w: %v", child.ErrNotReady, f.state), f.lastErr)
}

func because(kind, reason error) error {
	if reason == nil {
		return kind
	}
	return &errs.Wrap{Sentinel: kind, Cause: reason}
}
