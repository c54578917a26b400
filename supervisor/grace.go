package supervisor

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// Grace makes its context when it is first asked for: most runs need none. Before
// the stop its end is not known.
func (r *run) Grace() context.Context {
	r.graced.Store(true) // before the lock: whoever ends the run is to see it
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	f := r.ensureRare()
	if f.grace != nil {
		return f.grace
	}
	over := r.hasReturned() || f.abandoned != nil
	limit, limited := r.child.StopTimeout()
	switch values := context.WithoutCancel(r); {
	case r.cause != nil && limited && !over:
		ctx, cancel := context.WithDeadline(values, r.life.began.Add(machine.After(r.stopped, machine.MostOf(limit))))
		f.grace, f.graceEnd = ctx, func(error) { cancel() }
	default:
		f.grace, f.graceEnd = context.WithCancelCause(values)
	}
	if over {
		f.graceEnd(nil)
	}
	return f.grace
}

// limitGrace sets the end of a grace that was asked for before it was known.
// Under the lock.
func (r *run) limitGrace() {
	limit, limited := r.child.StopTimeout()
	f := r.rareFields()
	if f.grace == nil || r.ended || !limited {
		return
	}
	if _, set := f.grace.Deadline(); set {
		return
	}
	if f.graceTimer == nil {
		end := f.graceEnd
		f.graceTimer = time.AfterFunc(machine.MostOf(limit), func() { end(context.DeadlineExceeded) })
	} else {
		f.graceTimer.Reset(machine.MostOf(limit))
	}
}

func (r *run) endGrace() {
	r.life.mu.Lock()
	f := r.rareFields()
	end := f.graceEnd
	if f.graceTimer != nil {
		f.graceTimer.Stop()
	}
	r.life.mu.Unlock()
	if end != nil {
		end(nil)
	}
}
