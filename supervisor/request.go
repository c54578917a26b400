package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// A call is a caller who waits for an answer of the machine about one child.
// It gets one answer; giving it never blocks.
type call struct {
	machine.Waiter
	done  chan struct{} // has room for one: the answer is there
	err   error         // the answer
	wrong StopError     // what went wrong with a stop that it waited for
	start bool          // it waits for a start
	to    *life
	name  string
	child *machine.Child // of StartChild: what was added; nil: it was refused
}

// newCall returns one that was used before, if there is one at hand: a record and
// a channel for each question would be a good part of what a child costs.
func newCall(to *life, name string) *call {
	c := to.spare.Swap(nil)
	if c == nil {
		c = &call{done: make(chan struct{}, 1), to: to}
		c.Who = c
	}
	c.name = name
	return c
}

// free takes back a call that was answered with nil, and that nobody looks at
// again.
func (c *call) free() {
	c.name, c.err, c.child, c.wrong, c.start = "", nil, nil, StopError{}, false
	c.to.spare.Store(c)
}

func (c *call) answer(err error) {
	c.err = err
	c.done <- struct{}{}
}

// wait returns the answer, or the cause of ctx if that ends first, with the path
// of the child in front, and what went wrong with a stop.
func (c *call) wait(ctx context.Context) error {
	if !c.answered(ctx) {
		cause := context.Cause(ctx)
		if c.start {
			if waiting := c.to.startingBelow(c.name); len(waiting) > 0 {
				cause = &lateStart{cause, waiting}
			}
		}
		c.to.mu.Lock() // it may still hear of something
		defer c.to.mu.Unlock()
		return and(wrap(c.to.path+"/"+c.name, cause), c.heard())
	}
	err := c.err
	if err != nil {
		err = wrap(c.to.path+"/"+c.name, err)
	}
	return and(err, c.heard())
}

// heard returns what went wrong with stops, as far as it has not returned it before.
// Under the lock if the answer is not there.
func (c *call) heard() error {
	err := c.wrong.orNil()
	c.wrong = StopError{}
	return err
}

// answered waits for the answer or the end of ctx, and reports whether it is there.
func (c *call) answered(ctx context.Context) bool {
	ended := ctx.Done()
	if ended == nil {
		<-c.done
		return true
	}
	select {
	case <-c.done:
		return true
	case <-ended:
	}
	select { // which of the two is seen first is not left to chance
	case <-c.done:
		return true
	default:
		return false
	}
}

// answer gives a caller what the machine answers. What went wrong with a stop was noted
// before. Under the lock.
func (l *life) answer(a *machine.Action) {
	err := a.Err
	if err == machine.ErrAbandoned {
		err = nil
	}
	a.Waiter.Who.(*call).answer(err)
}

// wrap puts the path in front of an error that does not have it.
func wrap(path string, err error) error {
	if err == nil {
		return nil
	}
	return &ChildError{Path: path, Err: err}
}

// StartChild adds children and starts them; it returns when all are ready. If
// one cannot start, or ctx ends, those of this call are removed again and the
// error is returned: none stays. They are started in order behind all others; under an
// Independent supervisor side by side. They are forgotten when the supervisor ends.
//
// Children are removed in reverse order, each within its stop timeout, and all at once
// when ctx has ended; StartChild waits for that, so it may return later than ctx ends,
// with a child.Forever child as late as that likes.
//
// Errors, with the path of the child in front: the faults of the specs, the error
// of a start, the cause of ctx with the children that were still starting, a *StopError
// beside them if a run that was taken back was abandoned or returned an error,
// ErrNotRunning (also while it stops), ErrDuplicate,
// ErrMaxChildren, ErrSuspended, and child.ErrNotReady if ctx is that of a sibling
// which is not ready yet itself and would have to wait for itself. While the
// supervisor starts, new children wait their turn behind the declared ones. No
// specs: nil.
func (s *Supervisor) StartChild(ctx context.Context, specs ...child.Spec) error {
	if ctx == nil {
		return errNilContext
	}
	if err := s.fault(); err != nil {
		return err
	}
	if err := errors.Join(s.spec().childFaults(s.Path(), specs)...); err != nil {
		return err
	}
	l, err := s.running()
	if err != nil {
		return err
	}
	if len(specs) == 0 {
		return nil
	}
	if err := l.refuseUnready(ctx, specs[0].Name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return wrap(l.path+"/"+specs[0].Name, context.Cause(ctx))
	}
	calls := make([]*call, 0, 1)
	for i := range specs {
		made := l.add(&specs[i])
		calls = append(calls, made)
		if l.ordered {
			err = made.wait(ctx)
		}
		if err != nil {
			break
		}
	}
	for _, made := range calls {
		if err == nil && !l.ordered {
			err = made.wait(ctx)
		}
	}
	if err != nil {
		return and(err, l.undo(ctx, calls))
	}
	for _, made := range calls {
		made.free()
	}
	return nil
}

// add asks for one child.
func (l *life) add(spec *child.Spec) *call {
	made := newCall(l, spec.Name)
	made.start = true
	l.do(func(now time.Duration) { made.child = l.m.Add(spec, &made.Waiter, now) })
	return made
}

// undo removes children whose start is taken back, the last first, and waits
// until they are gone, each within its stop timeout; when ctx ends, the rest at once. It
// returns a *StopError of what went wrong with that, or nil.
func (l *life) undo(ctx context.Context, added []*call) error {
	var asked []*call
	var wrong StopError
	note := func(c *call) {
		wrong.Abandoned = append(wrong.Abandoned, c.wrong.Abandoned...)
		wrong.Unclean = append(wrong.Unclean, c.wrong.Unclean...)
	}
	for _, start := range slices.Backward(added) {
		if start.child == nil {
			continue // it was refused
		}
		made := newCall(l, start.name)
		l.do(func(now time.Duration) {
			note(start) // runs that were abandoned while nobody waited for this start
			l.m.Stop(start.child, true, &made.Waiter, now)
		})
		if l.ordered && made.answered(ctx) {
			note(made)
		} else {
			asked = append(asked, made)
		}
	}
	for _, made := range asked {
		<-made.done
		note(made)
	}
	return wrong.orNil()
}

// refuseUnready refuses to wait for a start with the context of a run, of any
// depth below this supervisor, whose own start this supervisor waits for.
func (l *life) refuseUnready(ctx context.Context, name string) error {
	if !l.ordered {
		return nil
	}
	for r := runOf(ctx); r != nil; r = r.life.parent {
		if r.life != l {
			continue
		}
		l.mu.Lock()
		waiting := !r.ready
		l.mu.Unlock()
		if waiting {
			return wrap(l.path+"/"+name, fmt.Errorf("would wait for %s, which is %w", r.Path(), child.ErrNotReady))
		}
	}
	return nil
}

// StopChild stops children and keeps their specs, so that RestartChild starts
// them again; a Temporary child is forgotten, and so is one of an Independent
// supervisor. A child that waits for its restart does so no longer; siblings that
// were to come back with it stay stopped, and an event for each says so. One that
// is stopped already is fine. A later group restart starts a stopped child again.
// All this as in OTP.
//
// A path is a name, a path from this supervisor (jobs/job-17), or a full one.
// Several are stopped one after another, under an Independent supervisor side by
// side. ctx bounds the wait, not the work: when it ends StopChild returns its
// cause, and the stop goes on. A child may stop itself: then it is its own ctx
// that ends the wait.
//
// Errors, one line for each path: ErrNotFound, ErrNotRunning (also while the
// supervisor stops), the cause of ctx, a *StopError if a run was abandoned, or returned
// an error while it was being stopped.
func (s *Supervisor) StopChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, stop, paths)
}

// RemoveChild stops children as StopChild does, and forgets them. One that is
// gone already is fine.
func (s *Supervisor) RemoveChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, remove, paths)
}

// RestartChild stops children if they run, starts them, and returns when they
// are ready. It does not count as a restart. A child that waits for its restart
// gets it at once, with its group; one that is Stopped or Done starts. If a start
// fails the child is Stopped, and the error is returned; with RetryStart it is
// retried, and the call waits on.
//
// Paths, order and ctx are as of StopChild. Errors: the error of a start,
// ErrNotFound, ErrNotRunning, ErrSuspended, the cause of ctx, child.ErrNotReady as of
// StartChild, and a *StopError if the run before was abandoned; the child was started
// all the same. An error that the run before returned is logged, and is the child's
// LastError.
func (s *Supervisor) RestartChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, restart, paths)
}

// order is what is asked for a child that exists.
type order uint8

const (
	stop order = iota
	remove
	restart
)

// request makes a request for each path, and waits for the answers.
func (s *Supervisor) request(ctx context.Context, what order, paths []string) error {
	if ctx == nil {
		return errNilContext
	}
	if _, err := s.running(); err != nil {
		return err
	}
	var errs []error
	note := func(err error) {
		if refused, ok := err.(*ChildError); ok && what == remove && refused.Err == ErrNotFound {
			return // it is gone
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	hear := func(made *call) {
		err := made.wait(ctx)
		if err == nil {
			made.free()
		}
		note(err)
	}
	var sideBySide []*call
	for _, path := range paths {
		l, name, err := s.resolve(path)
		if err == nil && what == restart {
			err = l.refuseUnready(ctx, name)
		} else if err != nil {
			err = wrap(s.absolute(path), err)
		}
		if err != nil {
			note(err)
			continue
		}
		made := l.order(what, name)
		if l.ordered {
			hear(made)
		} else {
			sideBySide = append(sideBySide, made)
		}
	}
	for _, made := range sideBySide {
		hear(made)
	}
	return errors.Join(errs...)
}

// order asks the machine for what the child of that name is to do.
func (l *life) order(what order, name string) *call {
	made := newCall(l, name)
	made.start = what == restart
	l.do(func(now time.Duration) {
		switch c := l.m.Child(name); {
		case c == nil:
			made.answer(l.absent())
		case what == restart:
			l.m.Restart(c, &made.Waiter, now)
		default:
			l.m.Stop(c, what == remove, &made.Waiter, now)
		}
	})
	return made
}

// Suspend holds back all starts of this supervisor's children: StartChild and
// RestartChild are refused with ErrSuspended, and what fails waits, as does a
// group restart that has come to starting, and what is left to start while the
// supervisor itself starts. What runs goes on, stops go on, and failures count. It
// holds until Resume, or until this run of the supervisor ends; when the supervisor
// does not run it has no effect. Supervisors below are not suspended. Our addition.
func (s *Supervisor) Suspend() {
	if l, err := s.running(); err == nil {
		l.do(func(now time.Duration) { l.m.Suspend(now) })
	}
}

// Resume takes back Suspend: what has failed meanwhile is started.
func (s *Supervisor) Resume() {
	if l, err := s.running(); err == nil {
		l.do(func(now time.Duration) { l.m.Resume(now) })
	}
}
