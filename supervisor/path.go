package supervisor

import (
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
)

// Nested returns the supervisor that runs in the child at path, which is a name, a path
// from this supervisor, or a full path. While the child is stopped, waits for its restart
// or has ended, Nested returns the supervisor that ran in it last. It reports false if no
// supervisor has run in the child, if there is no such child, or if this supervisor, or
// one on the way to the child, is not running. The root does not run in a child; see
// Root.
//
// A child may run another supervisor after each restart, so do not keep the result. Most
// calls do not need Nested: except for StartChild, they accept the path of a child at any
// depth.
func (s *Supervisor) Nested(path string) (*Supervisor, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return nil, false
	}
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil {
		return nil, false
	}
	sup := runOfChild(c).rareFields().super
	return sup, sup != nil
}

// LookupSpec returns the spec of the child at path that its next start will use. A path is
// as for Lookup. It reports false if there is no such child or the supervisor is not
// running.
func (s *Supervisor) LookupSpec(path string) (child.Spec, bool) {
	l, name, err := s.resolve(path)
	if err != nil {
		return child.Spec{}, false
	}
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil {
		return child.Spec{}, false
	}
	return rules.Copy(*c.Spec), true
}

// resolve returns the supervisor that a path leads to and the name of the child there. A
// path is a name, a path from s, or a full path.
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

// absent returns the error of a call about a child that does not exist. If the supervisor
// is stopping, its children may be gone already. l.mu must be held.
func (l *life) absent() error {
	if phase := l.m.Phase(); phase == machine.Unborn || phase >= machine.Closing {
		return ErrNotRunning
	}
	return ErrNotFound
}

// noSuch is absent for a caller that does not hold l.mu.
func (l *life) noSuch() error {
	l.lock()
	defer l.mu.Unlock()
	return l.absent()
}

// below returns the supervisor that runs in the child with that name, or nil.
func (l *life) below(name string) *life {
	l.lock()
	defer l.mu.Unlock()
	if c := l.m.Child(name); c != nil && c.Handle != nil {
		return runOfChild(c).rareFields().nested
	}
	return nil
}

// absolute returns the full path, for messages.
func (s *Supervisor) absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return s.Path() + "/" + path
}
