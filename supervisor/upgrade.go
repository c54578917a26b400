package supervisor

import (
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// Upgrade puts a new spec in place of a running supervisor's, as OTP's
// code_change does, and of that for all later starts. Flags take effect at once;
// the restarts of the period still count. A child whose name is in the new spec
// gets the new settings, keeps running, and uses the new Run from its next start
// on; its backoff begins anew, and a timer that runs is not set anew. A new one is
// added in its place and is not started: RestartChild starts it. One that is missing
// stays, behind the others. Logger, PassPanics and Around take effect at the next
// start of the supervisor.
//
// If the spec is faulty, Upgrade returns its faults, and changes nothing. It also
// changes nothing and returns an error if the supervisor is being stopped
// (ErrNotRunning), if the Strategy of a running one would become Independent or
// cease to be, or if a running root would get another Name; an empty Name is
// "root". A nested supervisor goes by the name of its child, so its Name may be any.
// On a supervisor that does not run Upgrade sets the spec of the next start.
func (s *Supervisor) Upgrade(spec Spec) error {
	spec.Children = append([]child.Spec(nil), spec.Children...)
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
		if err = l.m.Upgrade(spec.config(), spec.Children, now); err != nil {
			return
		}
		l.spec = &next.spec
		s.declared.Store(next)
		for c := l.m.First(); c != nil; c = c.Next() {
			if r := runOfChild(c); r != nil && r.few != nil {
				r.few.pause = nil
			}
		}
	})
	return wrap(l.path, err)
}

// errName: every path that was shown, or that somebody holds, begins with the name.
var errName = errors.New("a running root cannot change its name")
