package supervisor

import (
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// abandon notes that the run is abandoned. A child that is stopped at once was never
// waited for, so it is not held against anybody. Under the lock of its life.
func (r *run) abandon() {
	l, f := r.life, r.ensureRare()
	l.report(r, nil) // the supervisor in it may have stopped
	f.abandoned = &AbandonedRun{Path: r.Path(), After: l.m.Now() - r.stopped}
	if r.child.Spec.StopTimeout == child.AtOnce {
		return
	}
	since := r.stopped
	if l.abandonedAll { // it may have been asked to stop this very moment
		since = 0
	}
	f.abandoned.Stack = l.dump.stack(r, since)
	f.inStop = l.m.Phase() >= machine.Closing
	f.wrong.Abandoned = append(f.wrong.Abandoned, *f.abandoned)
	t := l.shared
	t.mu.Lock()
	defer t.mu.Unlock()
	t.abandoned = append(t.abandoned, r) // last: other lives look at what is in it
}

// abandoned returns the runs of this life, and of those inside it, that were abandoned
// and have not returned; with inStop only those that were as their supervisor ended.
func (l *life) abandoned(inStop bool) (left []AbandonedRun) {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	for _, r := range l.shared.abandoned {
		if l.isAbove(r) && (!inStop || r.rare.inStop) {
			left = append(left, *r.rare.abandoned)
		}
	}
	return left
}

// report notes what was wrong with the end of a run that had to stop: the error it
// returned, if any, and what the supervisors in it report. If that was because its own
// supervisor ends, it is part of that end. Under the lock.
func (l *life) report(r *run, err error) {
	f := r.ensureRare()
	wrong := &f.wrong
	for _, inner := range f.stopped {
		wrong.Unclean = append(wrong.Unclean, inner.unclean...)
		wrong.Abandoned = append(wrong.Abandoned, inner.abandoned(true)...)
	}
	if end, ok := err.(*both); ok {
		if stop, ok := end.second.(*StopError); ok && f.isStopOf(stop) {
			err = end.first // the rest has been noted
		}
	}
	if err != nil {
		wrong.Unclean = append(wrong.Unclean, &ChildError{Path: r.Path(), Err: err})
	}
	f.stopped = nil
	if l.m.Phase() >= machine.Closing {
		l.unclean = append(l.unclean, wrong.Unclean...)
	}
}

// isStopOf reports whether an error is what a supervisor reports that was stopped in the
// run.
func (f *rare) isStopOf(e *StopError) bool {
	return slices.ContainsFunc(f.stopped, func(l *life) bool { return l.over == e.of })
}

// passesUp reports whether an error that the run returned is what a supervisor in it
// reports, so that report passes on what is in it. A supervisor that had ended before the
// run was asked to stop is part of the stop if its error is returned then.
func (r *run) passesUp(e *StopError) bool {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	f := r.rareFields()
	if f.ended != nil && f.ended.over == e.of {
		f.stopped, f.ended = append(f.stopped, f.ended), nil
	}
	return f.isStopOf(e)
}

// stopErr returns what was wrong with the end of this life, or nil. Runs that have
// returned since are not in it.
func (l *life) stopErr() error {
	left := l.abandoned(false)
	if len(left) == 0 && len(l.unclean) == 0 {
		return nil
	}
	return &StopError{Abandoned: left, Unclean: l.unclean, auto: l.m.End().Kind == machine.EndAuto, of: l.over}
}

// hears notes what was wrong with a stop that the caller waits for. Who asked for a
// restart hears of abandoned runs alone: the others are no reason to take it for failed.
// It is not inlined, for perform to have a small frame: see Ready.
//
//go:noinline
func (c *call) hears(wrong *StopError, start bool) {
	c.wrong.Abandoned = append(c.wrong.Abandoned, wrong.Abandoned...)
	if !start {
		c.wrong.Unclean = append(c.wrong.Unclean, wrong.Unclean...)
	}
}

// orNil returns a copy of the error, or nil if nothing was wrong.
func (e *StopError) orNil() error {
	if len(e.Abandoned) == 0 && len(e.Unclean) == 0 {
		return nil
	}
	kept := *e
	return &kept
}

// beforeAbandoning returns the stacks for a caller that is about to abandon runs. A run
// whose end has been posted must not be blamed, so those are brought first.
func (l *life) beforeAbandoning(moment time.Time) *dump {
	stacks := l.shared.dumps.since(moment)
	l.drainExits()
	return stacks
}
