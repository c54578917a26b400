package supervisor

import (
	"errors"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// Upgrade replaces the spec of a supervisor, also while it is running, as OTP's
// code_change does. Later starts use the new spec too.
//
// Supervisor-level settings take effect at once; restarts already counted in the current
// period still count. A child whose name is in the new spec gets its new settings and
// keeps running. It uses the new Run from its next start on. Its backoff starts over, and
// its running timers are not changed. A child that is new in the spec is added at its
// place but not started: RestartChild starts it. A child that is not in the spec stays,
// after the others. Under Graph a child that is running keeps running also if it now needs
// one that is down; it is restarted when that one starts. Logger, PassPanics and Around take
// effect at the next start of the supervisor.
//
// Upgrade restarts nothing: to restart what has changed, use Apply.
//
// If the spec is invalid, Upgrade returns its problems and changes nothing. It also
// changes nothing and returns an error in these cases: the supervisor is being stopped
// (ErrNotRunning); an Apply is in progress; it is running, and its Strategy would change from
// or to Independent or Graph; it is running, and the Needs and After of the spec form a cycle
// with those of children that the spec does not name, or one of these needs a child that would
// become Temporary; it is a running root, and its Name would change (an empty Name is
// "root"). The Name of a nested supervisor may be anything, since it takes the name of its
// child. If the supervisor is not running, Upgrade sets the spec of the next start.
func (s *Supervisor) Upgrade(spec Spec) error {
	spec.Children = copies(spec.Children)
	if err := spec.Validate(); err != nil {
		return err
	}
	next := &declaration{spec: spec}
	l, err := s.running()
	if err != nil {
		s.declared.Store(next)
		return nil
	}
	l.do(func(now time.Duration) {
		if l.parent == nil && l.path != "/"+spec.name() && l.m.Phase() < machine.Closing {
			err = errName
			return
		}
		if l.applying != nil {
			err = errApplying
			return
		}
		if err = l.m.Upgrade(spec.config(nil), spec.Children, now); err != nil {
			return
		}
		l.spec = &next.spec
		s.declared.Store(next)
		for c := l.m.First(); c != nil; c = c.Next() {
			if r := runOfChild(c); r != nil && r.rare != nil {
				r.rare.backoff = nil
			}
		}
	})
	return l.wrapMachine(l.path, err)
}

// An Apply would undo part of an Upgrade that comes in the middle of it.
var errApplying = errors.New("an Apply is in progress")

// Every path that was shown or is held by a user begins with the name of the root.
var errName = errors.New("a running root cannot change its name")
