package supervisor

import (
	"context"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
)

// Await waits until the child at path is in one of the states. Without states it waits until
// the child is healthy, as Health sees the child alone: it is ready and not Unready, or it has
// completed or declined to run. It returns nil at once if that is so already.
//
//	err := root.Await(ctx, "db")                  // until it is healthy again
//	err := root.Await(ctx, "jobs/17", child.Done) // until it has ended
//
// Await follows the child over restarts, of the child and of the supervisors above it. A
// state that the child has only for a moment may pass unnoticed, but not the state in which
// it stays. A path is a name, a path from this supervisor, or a full path. A supervisor is
// awaited as the child in which it runs.
//
// Await returns an error if it can no longer happen without a new request: ErrNotFound if the
// child is removed, or there is none; child.ErrDone if the child, or a supervisor on the way to
// it, has ended and is not restarted, with the GaveUpError of a supervisor that gave up;
// ErrNotRunning if the tree was not started, or if it stops, or has ended, and the child runs
// no more. It returns the cause of ctx if ctx ends before. It keeps waiting for a child that was
// stopped with StopChild, for one that waits for Resume, and, if the path leads through a child
// in which no supervisor runs, for that supervisor. So give ctx a deadline.
func (s *Supervisor) Await(ctx context.Context, path string, states ...child.State) error {
	if ctx == nil {
		return errNilContext
	}
	wake := make(chan struct{}, 1)
	for {
		w, err := s.awaitStep(path, states, wake)
		if w == nil {
			return err
		}
		select {
		case <-wake:
			w.forget(wake)
		case <-ctx.Done():
			w.forget(wake)
			if w, err := s.awaitStep(path, states, wake); w == nil { // if both are ready, prefer the answer
				return err
			} else {
				w.forget(wake)
			}
			return wrap(s.absolute(path), context.Cause(ctx))
		}
	}
}

// An awaited is a child that Await waits for: the one in question, or a supervisor above it.
type awaited struct {
	life *life
	name string
}

// awaitStep reports whether the wait is over: then the result is nil, and the error is the
// answer. Otherwise wake is sent to when that may have changed.
func (s *Supervisor) awaitStep(path string, states []child.State, wake chan<- struct{}) (*awaited, error) {
	l, names := s.wayTo(path)
	for {
		switch {
		case l == nil:
			return nil, wrap(s.absolute(path), ErrNotRunning)
		case names == nil:
			return nil, wrap(s.absolute(path), ErrNotFound)
		}
		w, below, err := l.awaitChild(names[0], len(names) == 1, states, wake)
		if below == nil {
			if w == nil && err != nil {
				err = wrap(s.absolute(path), err)
			}
			return w, err
		}
		if l, names = below, names[1:]; l.isOver() { // a moment ago it was not: begin again
			l, names = s.wayTo(path)
		}
	}
}

// wayTo returns the lowest life on the way from the supervisor to the root that has not
// ended, or that of the root, and the names on the way from there to the child. The life is
// nil before the first start, and there are no names if the path leads out of the tree.
func (s *Supervisor) wayTo(path string) (*life, []string) {
	l := s.latest()
	if l == nil {
		return nil, nil
	}
	if strings.HasPrefix(path, "/") {
		for l.parent != nil && (l.isOver() || !strings.HasPrefix(path, l.path+"/")) {
			l = l.parent.life
		}
		rest, inside := strings.CutPrefix(path, l.path+"/")
		if !inside {
			return l, nil
		}
		path = rest
	}
	names := strings.Split(path, "/")
	for ; l.isOver() && l.parent != nil; l = l.parent.life {
		names = append([]string{l.parent.spec.Name}, names...)
	}
	return l, names
}

// awaitChild looks at the child of that name. If it is not the last one on the way, and a
// supervisor runs in it, that is where to look next.
func (l *life) awaitChild(name string, last bool, states []child.State, wake chan<- struct{}) (*awaited, *life, error) {
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c != nil {
		if !last {
			if below := runOfChild(c).rareFields().nested; below != nil && !below.isOver() {
				return nil, below, nil
			}
		} else if isIn(c, states) {
			return nil, nil, nil
		}
	}
	if err := l.neverAgain(c); err != nil {
		return nil, nil, err
	}
	if c != nil {
		c.Awaited = true
	}
	l.awaits.add(name, wake)
	return &awaited{l, name}, nil, nil
}

// isIn reports whether a child is in one of the states, or is healthy if there are none.
func isIn(c *machine.Child, states []child.State) bool {
	if len(states) == 0 {
		return !isUnhealthy(c)
	}
	return slices.Contains(states, c.State())
}

// neverAgain returns why a child, nil if there is none, keeps the state in which it is unless
// somebody starts it, or nil. l.mu must be held.
func (l *life) neverAgain(c *machine.Child) error {
	switch phase := l.m.Phase(); {
	case phase == machine.Unborn: // its children do not exist yet
		return nil
	case phase >= machine.Closing && l.parent != nil: // another life may follow
		return nil
	case phase >= machine.Closing && (c == nil || !c.State().Alive()):
		return ErrNotRunning
	case c == nil:
		return ErrNotFound
	case c.State() == child.Done && !c.Marked():
		if err := c.Failures().LastError; err != nil {
			return &errs.Wrap{Sentinel: child.ErrDone, Cause: err}
		}
		return child.ErrDone
	}
	return nil
}

// forget ends the watch of a child.
func (w *awaited) forget(wake chan struct{}) {
	w.life.lock()
	defer w.life.mu.Unlock()
	w.life.awaits.remove(w.name, wake)
	if c := w.life.m.Child(w.name); c != nil {
		c.Awaited = len(w.life.awaits[w.name]) > 0
	}
	select { // it may have been woken meanwhile
	case <-wake:
	default:
	}
}
