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

// wrap adds the path to an error that does not have it.
func wrap(path string, err error) error {
	if err == nil {
		return nil
	}
	return &ChildError{Path: path, Err: err}
}

// StartChild adds children, starts them, and returns when all of them are ready. If one
// cannot start, or ctx ends, StartChild removes all children of this call again and
// returns the error. Children are started in order after all others; under an Independent
// supervisor they are started concurrently. Under a Graph supervisor each is started when
// what it needs is ready, whatever the order of specs. They are removed when the
// supervisor ends. While the supervisor starts, they wait until the declared children have
// started; not under Independent and Graph. Without specs StartChild returns nil.
//
// A roll-back removes the children in reverse order, each within its stop timeout, and all
// at once when ctx has ended. Under Graph, those that need each other are removed in order
// in any case. StartChild waits for that, so it may return later than ctx ends; with a
// child.Forever child there is no limit.
//
// Errors have the path of the child in front. They are the problems of the specs (also a
// child that one of them needs and that is missing, Temporary, being removed, or was added
// by a call that has not returned yet), the error of a start, the cause of ctx with the
// children that were still starting,
// ErrNotRunning (also while the supervisor stops), ErrDuplicate, ErrMaxChildren and
// ErrSuspended. A *StopError is joined to them if a run that was rolled back was abandoned
// or returned an error. The error is child.ErrNotReady if ctx belongs to a sibling that
// is not ready yet, because the call would then wait for its caller.
func (s *Supervisor) StartChild(ctx context.Context, specs ...child.Spec) error {
	if ctx == nil {
		return errNilContext
	}
	if err := s.fault(); err != nil {
		return err
	}
	declared := s.declaredSpec()
	_, faults := declared.edgeFaults(s.Path(), specs, false)
	faults = append(declared.childFaults(s.Path(), specs), faults...)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	l, err := s.running()
	if err != nil {
		return err
	}
	if len(specs) == 0 {
		return nil
	}
	if err := l.refuseUnready(ctx, specs...); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return wrap(l.path+"/"+specs[0].Name, context.Cause(ctx))
	}
	var many manyCalls
	calls := make([]*call, 0, len(specs))
	for i, order := 0, startOrder(specs); i < len(specs) && err == nil; i++ {
		spec := order.at(i)
		if err = order.waitForNeeds(ctx, spec, calls); err != nil {
			break
		}
		made := many.of(len(specs), l, spec.Name)
		l.add(made, spec, requestOf(ctx))
		calls = append(calls, made)
		if l.ordered {
			err = made.wait(ctx)
		}
	}
	for _, made := range calls {
		if err == nil && !l.ordered {
			err = made.wait(ctx)
		}
	}
	if err != nil {
		return and(err, l.undo(ctx, calls, requestOf(ctx).By))
	}
	for _, made := range calls {
		made.free()
	}
	return nil
}

// add requests the start of one child.
func (l *life) add(made *call, spec *child.Spec, by Request) {
	made.start = true
	l.do(func(now time.Duration) {
		y := l.publishRequest(spec.Name, ReasonStartChild, by.By)
		made.asked = y.event
		if made.child = l.m.Add(spec, &made.Waiter, now); made.child != nil && l.subscribedKinds != 0 {
			l.whys.of.set(made.child, y)
		}
	})
}

// undo removes children whose start is rolled back, in reverse order, and waits until they
// are gone, each within its stop timeout. When ctx ends, it removes the rest at once. It
// returns a *StopError with what went wrong, or nil. by is the operator who requested the start.
func (l *life) undo(ctx context.Context, added []*call, by string) error {
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
			note(start) // runs that were abandoned while no caller waited for this start
			if l.m.Child(start.name) == start.child && !start.child.Removing() {
				l.explainRequest(start.child, remove, why{reason: ReasonStartChild, by: by, event: start.asked})
			}
			l.m.Stop(start.child, true, &made.Waiter, now)
		})
		if l.ordered && made.await(ctx) {
			note(made)
		} else {
			asked = append(asked, made)
		}
	}
	for _, made := range asked {
		made.await(context.Background())
		note(made)
	}
	return wrong.orNil()
}

// refuseUnready returns an error if ctx belongs to a run, at any depth below this
// supervisor, whose own start this supervisor waits for before it starts the children with
// these specs: such a caller would wait for itself.
func (l *life) refuseUnready(ctx context.Context, specs ...child.Spec) error {
	if !l.ordered && !l.graph {
		return nil
	}
	for r := runOf(ctx); r != nil; r = r.life.parent {
		if r.life != l {
			continue
		}
		l.lock()
		waiting := !r.ready && (l.ordered || slices.ContainsFunc(specs, func(spec child.Spec) bool {
			return l.m.Precedes(r.spec.Name, &spec)
		}))
		l.mu.Unlock()
		if waiting {
			return wrap(l.path+"/"+specs[0].Name, fmt.Errorf("called from %s, which is %w: the call would wait for its caller", r.Path(), child.ErrNotReady))
		}
	}
	return nil
}

// StopChild stops children and keeps their specs, so that RestartChild can start them
// again. A Temporary child is removed, and so is any child of an Independent supervisor.
// A pending restart is cancelled; siblings that wait to be restarted with the child stay
// stopped, and an event is emitted for each. Stopping a stopped child is not an error. A
// later group restart starts a stopped child again. All of this is as in OTP.
//
// Under a Graph supervisor, those that need the child stop first and stay down, with an
// event for each; a later restart does not start them. A child that is Done or has declined
// to start stays so, and those that need it run on.
//
// A path is a name, a path from this supervisor (jobs/job-17), or a full path. Several
// children are stopped one after another; under an Independent or Graph supervisor they
// are stopped concurrently. ctx bounds the wait, not the work: when it ends, StopChild
// returns its cause, and the stop continues. A child may stop itself; the end of its own
// ctx then ends the wait.
//
// Errors, one line for each path: ErrNotFound, ErrNotRunning (also while the supervisor
// stops), the cause of ctx, or a *StopError if a run was abandoned or returned an error
// while it was being stopped.
func (s *Supervisor) StopChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, stop, paths)
}

// RemoveChild stops children as StopChild does, and removes their specs. Removing a child
// that does not exist is not an error. Under a Graph supervisor a child that another one
// needs is not removed: the error is ErrNeeded. To remove both, name the other one first.
func (s *Supervisor) RemoveChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, remove, paths)
}

// RestartChild stops children if they are running, starts them, and returns when they are
// ready. It does not count as a restart. A child that waits for its restart is restarted
// at once, with its group. A child that is Stopped or Done is started. If a start fails,
// the child is Stopped and the error is returned; with RetryStart the start is retried
// and the call keeps waiting.
//
// Under a Graph supervisor, those that need a running child are restarted with it; if its
// start fails, they stay down, with an event for each. What a stopped child needs and was
// stopped by a call is started first; if that fails, the error says so. Those that need a
// stopped child, and were stopped with it, stay down: name them too to start them. If what
// the child needs waits for its own backoff, the call waits too.
//
// Paths, order and ctx are as for StopChild. Errors: the error of a start, ErrNotFound,
// ErrNotRunning, ErrSuspended, the cause of ctx, child.ErrNotReady as for StartChild, and
// a *StopError if the previous run was abandoned; the child was started anyway. An
// error that the previous run returned is logged and becomes the child's LastError, but
// RestartChild does not return it.
func (s *Supervisor) RestartChild(ctx context.Context, paths ...string) error {
	return s.request(ctx, restart, paths)
}

// An order is what a caller requests for an existing child.
type order uint8

const (
	stop order = iota
	remove
	restart
)

// request makes a request for each path and waits for the answers.
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
	var many manyCalls
	sideBySide := make([]*call, 0, len(paths))
	for _, path := range paths {
		l, name, err := s.resolve(path)
		if err == nil && what == restart {
			err = l.refuseUnready(ctx, l.specNamed(name))
		} else if err != nil {
			err = wrap(s.absolute(path), err)
		}
		if err != nil {
			note(err)
			continue
		}
		if l.ordered {
			made := newCall(l, name)
			l.order(made, what, requestOf(ctx))
			hear(made)
			continue
		}
		made := many.of(len(paths), l, name)
		l.order(made, what, requestOf(ctx))
		sideBySide = append(sideBySide, made)
	}
	for _, made := range sideBySide {
		hear(made)
	}
	return errors.Join(errs...)
}

// order passes a request about a child to the machine.
func (l *life) order(made *call, what order, by Request) {
	made.start = what == restart
	l.do(func(now time.Duration) {
		c := l.m.Child(made.name)
		switch {
		case c == nil:
			made.answer(l.absent())
			return
		case by.Run != 0 && by.Run != c.Run():
			made.answer(fmt.Errorf("%w: %d", ErrOtherRun, c.Run()))
			return
		}
		l.explainRequest(c, what, l.publishRequest(made.name, reasonOf[what], by.By))
		if what == restart {
			l.m.Restart(c, &made.Waiter, now)
		} else {
			l.m.Stop(c, what == remove, &made.Waiter, now)
		}
	})
}

var reasonOf = [...]Reason{stop: ReasonStopChild, remove: ReasonRemoveChild, restart: ReasonRestartChild}

// publishRequest publishes the request of an operator, if there is one, and returns why what
// follows will happen. l.mu must be held.
func (l *life) publishRequest(name string, what Reason, by string) why {
	if by == "" {
		return why{reason: what}
	}
	e := &Event{Kind: EventRequest, Path: l.path + "/" + name, Reason: what, By: by}
	l.publishOwn(e)
	return why{reason: what, by: by, event: e.Seq}
}

// explainRequest records why the child will be stopped or started. l.mu must be held.
func (l *life) explainRequest(c *machine.Child, what order, y why) {
	down := c.State() == child.Stopped || c.State() == child.Done
	switch {
	case l.subscribedKinds == 0, // nobody will read it
		what == remove && l.m.NeededBy(c) != nil,                           // it is refused
		l.m.Phase() >= machine.Closing, what == restart && l.m.Suspended(), // it is refused
		c.Removing(),                          // it changes nothing
		down && what == stop && !l.removes(c): // it changes nothing
		return
	}
	l.whys.of.set(c, y)
	l.m.WantedKinds |= settling // what follows may end in this visit to the machine
	if c.State() == child.Waiting && l.restartsGroups() {
		l.whys.group = why{reason: ReasonGroup, by: l.pathOf(c), event: y.event}
	}
}

// Suspend blocks all starts of this supervisor's children until Resume is called or this
// run of the supervisor ends. StartChild and RestartChild return ErrSuspended. Failed
// children wait, and so do a group restart that has reached its starts and the remaining
// children of the supervisor's own start. Running children keep running, stops proceed,
// and failures count. If the supervisor is not running, Suspend has no effect. Nested
// supervisors are not affected. OTP has no equivalent. ctx carries only a Request, if there
// is one; it may be nil.
func (s *Supervisor) Suspend(ctx context.Context) { s.setSuspended(ctx, true) }

// Resume ends a Suspend: everything that has waited since is started. ctx is as for
// Suspend.
func (s *Supervisor) Resume(ctx context.Context) { s.setSuspended(ctx, false) }

func (s *Supervisor) setSuspended(ctx context.Context, to bool) {
	l, err := s.running()
	if err != nil {
		return
	}
	by := requestOf(ctx).By // without the lock: ctx may be of the caller's own type
	kind, set := EventResumed, l.m.Resume
	if to {
		kind, set = EventSuspended, l.m.Suspend
	}
	l.do(func(now time.Duration) {
		if l.m.Suspended() != to && l.m.Phase() < machine.Closing {
			l.publishOwn(&Event{Kind: kind, By: by})
		}
		set(now)
		l.suspended.Store(l.m.Suspended())
	})
}
