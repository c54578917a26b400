package supervisor

import (
	"strings"

	"github.com/coppice-go/coppice/internal/machine"
)

// Nested returns the supervisor that runs in the child at path: a name, a path
// from this supervisor, or a full one. While the child is stopped, waits for its
// restart or has ended, it is the one that ran in the child last. It reports false
// if no supervisor has run in the child, if there is no such child, and if this
// supervisor, or one on the way to the child, does not run. The root is in no child;
// see Root.
//
// A child may run another supervisor after each restart, so ask for it when you
// need it. Most calls do not need it: StartChild aside, they take the path of a
// child of any depth.
func (s *Supervisor) Nested(path string) (*Supervisor, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil {
		return nil, false
	}
	sup := runOfChild(c).has().super
	return sup, sup != nil
}

// resolve finds the supervisor that a path leads to, and the name of the child
// there. A path is a name, a path from s, or a full one.
func (s *Supervisor) resolve(path string) (*life, string, error) {
	from, err := s.running()
	if err != nil {
		return nil, "", ErrNotRunning
	}
	if strings.HasPrefix(path, "/") {
		rest, inside := strings.CutPrefix(path, from.path+"/")
		if !inside {
			if from, err = s.Root().running(); err != nil {
				return nil, "", ErrNotRunning
			}
			if rest, inside = strings.CutPrefix(path, from.path+"/"); !inside {
				return nil, "", from.noSuch()
			}
		}
		path = rest
	}
	for {
		name, rest, more := strings.Cut(path, "/")
		if !more {
			return from, name, nil
		}
		below := from.below(name)
		if below == nil {
			return nil, "", from.noSuch()
		}
		from, path = below, rest
	}
}

// absent is the answer to a call about a child that is not there: the children of a
// supervisor that stops may be gone already. Under the lock.
func (l *life) absent() error {
	if phase := l.m.Phase(); phase == machine.Unborn || phase >= machine.Closing {
		return ErrNotRunning
	}
	return ErrNotFound
}

// noSuch is absent for who does not have the lock.
func (l *life) noSuch() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.absent()
}

// below returns the supervisor that runs in the child of that name, or nil.
func (l *life) below(name string) *life {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.m.Child(name); c != nil && c.Handle != nil {
		return runOfChild(c).has().nested
	}
	return nil
}

// absolute returns a path in full, for messages.
func (s *Supervisor) absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return s.Path() + "/" + path
}
