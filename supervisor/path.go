package supervisor

import (
	"strings"

	"github.com/coppice-go/coppice/internal/machine"
)

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
