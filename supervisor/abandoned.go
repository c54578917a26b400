package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// abandon records that the run is abandoned. A run with child.AtOnce was never waited
// for, so it is not reported. The lock of its life must be held.
func (r *run) abandon() {
	l, rare := r.life, r.ensureRare()
	l.report(r, nil) // a nested supervisor in it may have stopped
	rare.abandoned = &AbandonedRun{Path: r.Path(), After: l.m.Now() - r.stopped}
	if r.child.Spec.StopTimeout == child.AtOnce {
		return
	}
	since := r.stopped
	if l.abandonedAll { // it may have been asked to stop just now
		since = 0
	}
	rare.abandoned.Stack = l.dump.stack(r, since)
	rare.inStop = l.m.Phase() >= machine.Closing
	rare.wrong.Abandoned = append(rare.wrong.Abandoned, *rare.abandoned)
	l.shared.add(r) // last: other lives read the fields of the runs there
}

// abandoned returns the runs of this life and of those below it that were abandoned and
// have not returned, in the order in which they were abandoned. With inStop it returns only
// those that were abandoned while their own supervisor ended.
func (l *life) abandoned(inStop bool) []AbandonedRun {
	if l.shared.abandoned.Load() == 0 { // the usual case, which needs neither the lock nor much of the stack
		return nil
	}
	return l.someAbandoned(inStop)
}

//go:noinline
func (l *life) someAbandoned(inStop bool) (left []AbandonedRun) {
	var runs []*run
	l.shared.mu.Lock()
	for r := range l.unreturned {
		if !inStop || r.rare.inStop {
			runs = append(runs, r)
		}
	}
	l.shared.mu.Unlock()
	slices.SortFunc(runs, func(a, b *run) int { return cmp.Compare(a.rare.order, b.rare.order) })
	for _, r := range runs {
		left = append(left, *r.rare.abandoned)
	}
	return left
}

// report records what went wrong with the end of a run that was asked to stop: the error
// that it returned, if any, and what the supervisors in it report. If the run was stopped
// because its own supervisor ends, this becomes part of that end. l.mu must be held.
func (l *life) report(r *run, err error) {
	rare := r.ensureRare()
	wrong := &rare.wrong
	for _, inner := range rare.stopped {
		wrong.Unclean = append(wrong.Unclean, inner.unclean...)
		wrong.Abandoned = append(wrong.Abandoned, inner.abandoned(true)...)
	}
	if end, ok := err.(*both); ok {
		if stop, ok := end.second.(*StopError); ok && rare.isStopOf(stop) {
			err = end.first // the rest has been recorded above
		}
	}
	if err != nil {
		wrong.Unclean = append(wrong.Unclean, &ChildError{Path: r.Path(), Err: err})
	}
	rare.stopped = nil
	if l.m.Phase() >= machine.Closing {
		l.unclean = append(l.unclean, wrong.Unclean...)
	}
}

// isStopOf reports whether e is the error of a supervisor that was stopped in the run.
func (r *rare) isStopOf(e *StopError) bool {
	return slices.ContainsFunc(r.stopped, func(l *life) bool { return l.over == e.of })
}

// passesUp reports whether an error that the run returned is the error of a supervisor in
// it, so that report passes its contents on. A supervisor that ended before the run was
// asked to stop is part of the stop if its error is returned then.
func (r *run) passesUp(e *StopError) bool {
	r.life.lock()
	defer r.life.mu.Unlock()
	rare := r.rareFields()
	if rare.ended != nil && rare.ended.over == e.of {
		rare.stopped, rare.ended = append(rare.stopped, rare.ended), nil
	}
	return rare.isStopOf(e)
}

// stopErr returns what went wrong with the end of this life, or nil. It leaves out runs
// that have returned since.
func (l *life) stopErr() error {
	runs := l.abandoned(false)
	if len(runs) == 0 && len(l.unclean) == 0 {
		return nil
	}
	return &StopError{Abandoned: runs, Unclean: l.unclean, auto: l.m.End().Kind == machine.EndAuto, of: l.over}
}

// hears records what went wrong with a stop that the caller waits for. For a restart only
// abandoned runs are recorded: an error that the previous run returned does not make a
// restart fail. It is not inlined, to keep perform's frame small: see Ready.
//
//go:noinline
func (c *call) hears(wrong *StopError, start bool) {
	c.wrong.Abandoned = append(c.wrong.Abandoned, wrong.Abandoned...)
	if !start {
		c.wrong.Unclean = append(c.wrong.Unclean, wrong.Unclean...)
	}
}

// orNil returns a copy of the error, or nil if nothing went wrong.
func (e *StopError) orNil() error {
	if len(e.Abandoned) == 0 && len(e.Unclean) == 0 {
		return nil
	}
	kept := *e
	return &kept
}

// beforeAbandoning returns the stacks for a caller that is about to abandon runs. Runs
// whose exit is already queued must not be reported, so it drains the queue first.
func (l *life) beforeAbandoning(moment time.Time) *dump {
	stacks := l.shared.dumps.since(moment)
	l.drainExits()
	return stacks
}
