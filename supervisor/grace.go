package supervisor

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// Grace creates its context on the first call, because most runs never call it. Before
// the stop the deadline of the context is not known.
func (r *run) Grace() context.Context {
	r.graced.Store(true) // before the lock, so that the goroutine that ends the run sees it
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

// limitGrace sets the end of a grace that began before the end was known. The lock must
// be held.
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
