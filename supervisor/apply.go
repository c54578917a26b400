package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// Apply brings the supervisor to a desired spec, while it is running, and restarts only what
// has changed. It returns the changes that it has made.
//
//	want := feeds.Spec()
//	want.Children = specs(cfg) // each with Version: a hash of its part of cfg
//	changes, err := feeds.Apply(ctx, want)
//	log.Print(changes) // + eu   ~ us   - asia   = 14 unchanged
//
// Each desired child must have a Version. Children are compared by name:
//
//   - A child with the same Version and the same settings is not touched. It keeps its spec,
//     its run, its backoff and its state, also if it is stopped, has ended, or was removed with
//     RemoveChild.
//   - A child that is not desired any more is stopped and removed. A new name is another
//     child: a child that was renamed is removed and added.
//   - A child with another Version is replaced: it is stopped if it runs, and started with
//     the new spec, whatever its state, as by RestartChild. Its siblings keep running, but
//     under Graph those that need it are restarted too.
//   - A new child is started.
//   - A child with the same Version but other settings (Restart, a timeout, Needs or After,
//     whether it has a Backoff) takes the whole new spec and keeps running, as by Upgrade.
//     Functions cannot be compared: if Run, Backoff or Decide do something else, the Version
//     must differ.
//
// The supervisor's own settings, and the order of the children, are taken over if they
// differ, as by Upgrade. A zero field is the default and not the present value, so begin with
// Spec, as above. An empty Name is the present name.
//
// Children that StartChild has added stay, unless the desired spec has the name. Then the
// child becomes a declared one; it is replaced if its Version differs.
//
// Apply removes first, the last child first; then it replaces and adds, in the order of the
// desired spec, each when the one before it is ready; then it takes over the settings and the
// order. Under an Independent supervisor the removals, and then all others, are concurrent.
//
// Under a Graph supervisor Apply follows the edges. What is not desired any more is removed
// first, after those that need it; but if a child that stays still needs it, it is removed
// last. The others are concurrent: each child that differs gets its new Needs and After after
// those to which they lead, and what is added must be ready before a child is touched that
// will need it. So of a row of children that all differ, each stops once and starts once.
// Changes.Along has those that are restarted with one that they need. Apply does not wait for
// them. A child that somebody has stopped is not among them. A child that gets its old spec
// back keeps its new Needs and After, because others may have changed with it.
//
// If a child does not become ready with its new spec, Apply stops there. The child is started
// with its old spec at once, and an added child is removed. This restart does not count
// towards the Intensity; but if the start with the old spec fails too, that is a failed
// restart like any other, which Health, the events and the supervisor's limits know. A child
// that was not running before is down as before. What was done before stays done, and what
// comes after is as it was. The changes say what was done, and the error which child is the
// reason, and what became of it. A child with RetryStart is tried until its backoff or the
// supervisor would give up, or ctx ends.
//
// A run that does not stop in time is abandoned, and Apply goes on. The error has a *StopError
// then, also if everything else has succeeded. If ctx ends, Apply stops where it is and
// returns at once: the child that is being replaced gets its old spec back and is started with
// that, one that is being added is removed, and one that is being removed is gone when it has
// stopped. Give ctx a deadline: a child without a StartTimeout may take any time to be ready.
//
// What runs after Apply is also what the next start of the supervisor begins with. If the
// supervisor is not running, only that changes. If it is starting, Apply works as if it were
// up; children that have not been started wait for their turn.
//
// Two calls of Apply for the same supervisor are carried out one after the other. Meanwhile
// Upgrade is refused. A group restart or a backoff that is in progress goes on, with the new
// specs. If nothing differs, nothing happens, and there is no event. Otherwise EventApplying
// comes before and EventApplied after what Apply does, and the children's events have
// ReasonApply; those of Changes.Along have ReasonGroup. If the supervisor stops meanwhile,
// EventApplied comes before EventClosing.
//
// A nested supervisor is kept if the Version of its child is the same. Its own children change
// with its own Apply: see Nested.
//
// Nothing is changed if Apply returns one of these errors: the problems of the spec; an error
// if no child is desired and some are declared, since an empty configuration should not stop a
// service; ErrNotRunning, while the supervisor stops; ErrSuspended, if a child would be
// started; ErrMaxChildren; the error of Upgrade for a Strategy or a Name that cannot change;
// under Graph ErrNeeded, if a child that StartChild has added needs one that is not desired any
// more, and a *child.SpecError, if a child would become Temporary while another one needs it;
// the cause of ctx, if it ended before; an error if ctx belongs to a child that would be
// replaced, restarted along or removed, or to one below it, because Apply would wait for its
// caller. As with StartChild, the error is child.ErrNotReady if ctx belongs to a child whose
// start the supervisor still waits for. ctx may carry a Request: see WithRequest.
func (s *Supervisor) Apply(ctx context.Context, desired Spec) (Changes, error) {
	if ctx == nil {
		return Changes{}, errNilContext
	}
	desired.Children = copies(desired.Children)
	if err := s.desiredFaults(&desired); err != nil {
		return Changes{}, err
	}
	done, err := s.turnToApply(ctx)
	if err != nil {
		return Changes{}, wrap(s.Path(), err)
	}
	defer done()
	l, err := s.running()
	if err == nil {
		return l.apply(ctx, &desired)
	}
	p, err := planAtRest(s.declaredSpec(), &desired)
	if err != nil {
		return Changes{}, wrap(s.Path(), err)
	}
	if !p.empty() {
		s.declared.Store(&declaration{spec: p.wanted()})
		if l, err := s.running(); err == nil { // it was started meanwhile, perhaps with the old declaration
			changes, err := l.apply(ctx, &desired)
			if err != nil || !changes.Empty() {
				return changes, err
			}
		}
	}
	return p.changes(), nil
}

// Plan returns the changes that Apply would make, and the error for which Apply would change
// nothing, except for what concerns its ctx. It changes nothing and does not wait.
func (s *Supervisor) Plan(desired Spec) (Changes, error) {
	desired.Children = copies(desired.Children)
	if err := s.desiredFaults(&desired); err != nil {
		return Changes{}, err
	}
	l, err := s.running()
	if err != nil {
		p, err := planAtRest(s.declaredSpec(), &desired)
		if err != nil {
			return Changes{}, wrap(s.Path(), err)
		}
		return p.changes(), nil
	}
	l.lock()
	p, err := l.plan(&desired)
	if err == nil {
		err = l.refusesStarts(p)
	}
	l.mu.Unlock()
	if err != nil {
		return Changes{}, withPath(l.path, err)
	}
	return p.changes(), nil
}

// withPath adds the path of the supervisor to an error of a plan that has no path yet.
func withPath(path string, err error) error {
	switch err.(type) {
	case *ChildError, *child.SpecError:
		return err
	}
	return wrap(path, err)
}

// turnToApply waits until no other Apply is in progress. done ends the turn.
func (s *Supervisor) turnToApply(ctx context.Context) (done func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	turn := s.applies.Load()
	if turn == nil {
		made := make(chan struct{}, 1)
		s.applies.CompareAndSwap(nil, &made)
		turn = s.applies.Load()
	}
	select {
	case *turn <- struct{}{}:
		return func() { <-*turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// refusesStarts returns an error if the plan starts children while none may start. l.mu must
// be held.
func (l *life) refusesStarts(p *plan) error {
	if p.starts() && l.m.Suspended() {
		return ErrSuspended
	}
	return nil
}

// apply carries out an Apply while the supervisor runs.
func (l *life) apply(ctx context.Context, want *Spec) (Changes, error) {
	if len(want.Children) > 0 {
		if err := l.refuseUnready(ctx, want.Children...); err != nil {
			return Changes{}, err
		}
	}
	by, caller := requestOf(ctx).By, runOf(ctx) // without the lock: ctx may be of the caller's own type
	var p *plan
	var err error
	booted := true
	l.do(func(now time.Duration) {
		if p, err = l.plan(want); err != nil {
			return
		}
		if err = l.refusesStarts(p); err == nil {
			err = l.refusesCaller(caller, p)
		}
		switch {
		case err != nil || p.empty():
		case l.m.Phase() == machine.Unborn: // its children do not exist yet
			booted = false
			err = l.declare(p.wanted(), p, true, now)
		default:
			p.by, p.began = by, now
			l.applying = p
			planned := p.changes()
			e := &Event{Kind: EventApplying, Text: planned.String(), By: by, Changes: &planned}
			l.publishOwn(e)
			p.event = e.Seq
		}
	})
	switch {
	case err != nil:
		return Changes{}, withPath(l.path, err)
	case p.empty() || !booted:
		return p.changes(), nil
	}
	a := &applying{life: l, plan: p}
	if a.remove(ctx, false) && a.start(ctx) {
		a.remove(ctx, true)
	}
	a.end()
	return p.done, and(errors.Join(a.failures...), a.stopped.orNil())
}

// refusesCaller returns an error if the plan stops the child of the run that calls Apply, if
// any, or one above it.
func (l *life) refusesCaller(caller *run, p *plan) error {
	for r := caller; r != nil; r = r.life.parent {
		if r.life == l && p.stops(r.spec.Name) {
			return fmt.Errorf("called from %s, which it would have to stop: call Apply from a child of another supervisor", r.Path())
		}
	}
	return nil
}
