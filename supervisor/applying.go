package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// An applying is an Apply in progress.
type applying struct {
	*life
	plan     *plan
	failures []error
	stopped  StopError // runs that were abandoned, or returned an error
}

// why is the reason of what happens to the children.
func (p *plan) why() why { return why{reason: ReasonApply, by: p.by, event: p.event} }

// remove removes what is not desired, before or after the others are replaced and added. It
// reports whether to go on.
func (a *applying) remove(ctx context.Context, late bool) bool {
	var calls []*call
	for _, name := range a.plan.gone {
		if !a.plan.removed[name] || a.plan.isLate(name) != late { // it has ended, or its turn is another one
			continue
		}
		if ctx.Err() != nil {
			a.fail(name, context.Cause(ctx))
			break
		}
		made := newCall(a.life, name)
		a.do(func(now time.Duration) {
			c := a.m.Child(name)
			if c == nil {
				made.answer(nil) // somebody else has removed it
				return
			}
			a.explainRequest(c, remove, a.plan.why())
			a.m.Stop(c, true, &made.Waiter, now)
		})
		calls = append(calls, made)
		if a.ordered && !a.removed(ctx, made) {
			break
		}
	}
	if !a.ordered {
		for _, made := range calls {
			a.removed(ctx, made)
		}
	}
	return len(a.failures) == 0
}

// removed waits until a child is gone.
func (a *applying) removed(ctx context.Context, made *call) bool {
	if err := a.await(ctx, made); err != nil {
		a.fail(made.name, err)
		return false
	}
	made.free()
	return true
}

// start replaces and adds what is desired, in order. It reports whether to go on.
func (a *applying) start(ctx context.Context) bool {
	calls := make([]*call, len(a.plan.steps))
	var row []int // steps that replace, to be done together
	added := func(i int) bool {
		made := calls[i]
		calls[i] = nil
		return made == nil || a.started(ctx, i, made)
	}
	for at := range a.plan.steps {
		i := a.plan.step(at)
		s := &a.plan.steps[i]
		if s.what < replace && !s.edges {
			continue
		}
		if s.what != replace || len(row) == machine.BatchSize {
			a.replace(row, calls)
			row = row[:0]
		}
		switch {
		case ctx.Err() != nil:
			a.fail(s.spec.Name, context.Cause(ctx))
		case !a.plan.addsBefore(s, added): // that has failed
		case s.what == update:
			a.update(s)
			if len(a.failures) == 0 {
				continue
			}
		case s.what == replace:
			row = append(row, i)
			if !a.ordered {
				continue
			}
			a.replace(row, calls)
			row = row[:0]
		default:
			calls[i] = a.add(s)
		}
		if len(a.failures) > 0 || a.ordered && !a.started(ctx, i, calls[i]) {
			break
		}
	}
	if len(a.failures) == 0 {
		a.replace(row, calls)
	}
	for i, made := range calls {
		if made != nil && !a.ordered {
			a.started(ctx, i, made)
		}
	}
	return len(a.failures) == 0
}

// update gives a child of a Graph supervisor its other edges and settings before the end of
// the Apply, because others may have to change after it.
func (a *applying) update(s *planStep) {
	kept := *s.spec // of its own, as for replace
	var err error
	a.do(func(now time.Duration) {
		if c := a.m.Child(kept.Name); c != s.child {
			err = a.absent()
		} else if err = a.m.UpgradeChild(c, &kept, now); err == nil {
			s.spec, s.ok = &kept, true
		}
	})
	if err != nil {
		a.fail(kept.Name, err)
	}
}

// replace asks for the restarts of children with other specs: of all at once, so that none
// starts with its old spec in between, because of another.
func (a *applying) replace(row []int, calls []*call) {
	for _, i := range row {
		calls[i] = newCall(a.life, a.plan.steps[i].spec.Name)
		calls[i].start = true
	}
	a.doAll(len(row), func(at int, now time.Duration) {
		made, s := calls[row[at]], &a.plan.steps[row[at]]
		c := a.m.Child(s.spec.Name)
		if c != s.child {
			made.answer(a.absent()) // it was removed; there may be another of that name
			return
		}
		spec := *s.spec // of its own, so that the desired spec is not kept as long as the child
		s.spec, s.asked = &spec, true
		a.explainRequest(c, restart, a.plan.why())
		a.m.Replace(c, &spec, &made.Waiter, now)
	})
}

// add asks for the start of a new child.
func (a *applying) add(s *planStep) *call {
	made := newCall(a.life, s.spec.Name)
	made.start = true
	a.do(func(now time.Duration) {
		s.child = a.m.AddWithin(a.plan.mostChildren(), s.spec, &made.Waiter, now)
		if s.child != nil && a.subscribedKinds != 0 {
			a.whys.of.set(s.child, a.plan.why())
		}
	})
	return made
}

// started waits until a child is ready.
func (a *applying) started(ctx context.Context, i int, made *call) bool {
	s := &a.plan.steps[i]
	err := a.await(ctx, made)
	if err == nil {
		a.mu.Lock()
		s.ok = true
		a.mu.Unlock()
		made.free()
		return true
	}
	switch err := err.(type) {
	case *machine.TakenBack:
		a.fail(s.spec.Name, (*notApplied)(err))
		return false
	case *endedWait:
		a.takeBack(s, err.cause)
	}
	a.fail(s.spec.Name, err)
	return false
}

// takeBack takes back what is in progress for a child, since ctx has ended.
func (a *applying) takeBack(s *planStep, err error) {
	a.do(func(now time.Duration) {
		switch {
		case s.child == nil, a.m.Child(s.spec.Name) != s.child:
		case s.what == replace:
			a.m.TakeBack(s.child, err, now)
		case s.child.Adding():
			a.explainRequest(s.child, remove, a.plan.why())
			a.m.Stop(s.child, true, nil, now)
		}
	})
}

// An endedWait is the error of a wait that the end of ctx has ended.
type endedWait struct{ cause error }

func (e *endedWait) Error() string { return e.cause.Error() }

// await waits for an answer, and notes what went wrong with a stop.
func (a *applying) await(ctx context.Context, made *call) error {
	answered := made.await(ctx)
	cause := context.Cause(ctx)
	if !answered && made.start {
		if waiting := a.startingIn(made.name); len(waiting) > 0 {
			cause = &lateStart{cause, waiting}
		}
	}
	a.mu.Lock() // more may be noted if no answer has come
	a.stopped.Abandoned = append(a.stopped.Abandoned, made.wrong.Abandoned...)
	a.stopped.Unclean = append(a.stopped.Unclean, made.wrong.Unclean...)
	made.wrong = StopError{}
	a.mu.Unlock()
	if !answered {
		return &endedWait{cause}
	}
	return made.err
}

// fail notes why a child is not as desired.
func (a *applying) fail(name string, err error) {
	if ended, ok := err.(*endedWait); ok {
		err = ended.cause
	}
	a.failures = append(a.failures, a.wrapMachine(a.path+"/"+name, err))
}

// end makes what was reached the declaration, and publishes EventApplied, unless the end of
// the life has done so already.
func (a *applying) end() {
	a.do(func(now time.Duration) {
		if a.applying == a.plan {
			if err := a.endApply(errors.Join(a.failures...), now); err != nil && len(a.failures) == 0 {
				a.failures = append(a.failures, err)
			}
		} else if len(a.failures) == 0 {
			a.failures = append(a.failures, wrap(a.path, ErrNotRunning))
		}
	})
}

// cutOffApply ends the Apply in progress, because the end of the life begins. It is not
// inlined, to keep perform's frame small: see Ready. l.mu must be held.
//
//go:noinline
func (l *life) cutOffApply() { _ = l.endApply(wrap(l.path, ErrNotRunning), l.m.Now()) }

// endApply ends the Apply in progress, which has failed with err or succeeded, and returns the
// error of it. l.mu must be held.
func (l *life) endApply(err error, now time.Duration) error {
	p := l.applying
	l.applying = nil
	next := p.wanted()
	running := l.m.Phase() < machine.Closing
	if p.done = p.changes(); err == nil && running {
		err = l.declare(next, p, true, now)
	}
	if err != nil {
		next = p.reached(&l.m)
		p.done = p.changed(&l.m, len(next.Children))
		if running {
			_ = l.declare(next, p, false, now) // it fits what is running
		}
	}
	if !running { // the machine is in the middle of its end: only the next start is concerned
		l.sup.declared.Store(&declaration{spec: next})
	}
	l.publishOwn(&Event{
		Kind: EventApplied, Text: p.done.String(), By: p.by, Because: p.event, Took: now - p.began,
		Changes: p.done.clone(), Err: err,
	})
	return err
}

// declare makes spec what is declared: what was reached by the plan, or all of it. The
// children exist already, except before the boot. It returns an error and changes nothing if
// the edges of children that were added meanwhile do not fit. l.mu must be held.
func (l *life) declare(spec Spec, p *plan, all bool, now time.Duration) error {
	next := &declaration{spec: spec}
	steps := p.byName()
	specs := make([]*child.Spec, 0, len(spec.Children))
	for i := range spec.Children {
		c := l.m.Child(spec.Children[i].Name)
		if c == nil {
			continue
		}
		s := steps[c.Name()]
		if !c.Declared && !p.adopts(c.Name()) && (s == nil || s.child != c || !all && !s.isDone(&l.m)) { // StartChild has added it
			continue
		}
		own := c.Spec
		if all && s.what == update {
			kept := *s.spec // of its own, so that the others are not kept as long as this child
			own = &kept
		}
		if r := runOfChild(c); all && r != nil && r.rare != nil &&
			(s.what == update || len(p.settings) > 0 && own.Backoff == nil) {
			r.rare.backoff = nil
		}
		specs = append(specs, own)
	}
	if err := l.m.Arrange(spec.config(nil), specs, now); err != nil {
		return l.wrapMachine(l.path, err)
	}
	l.spec = &next.spec
	l.sup.declared.Store(next)
	return nil
}

// A notApplied is the error of a child that did not become ready with its new spec.
type notApplied machine.TakenBack

func (e *notApplied) Error() string {
	text := "not ready with its new spec: " + oneline.Of(e.Err)
	switch {
	case e.Down:
		return text + "; it is down, as before"
	case e.Old != nil:
		return text + "; nor with its old one: " + oneline.Of(e.Old)
	}
	return text + "; it runs with its old one again"
}

func (e *notApplied) Unwrap() []error {
	if e.Old == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Old}
}
