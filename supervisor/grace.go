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
	r.life.lock()
	defer r.life.mu.Unlock()
	rare := r.ensureRare()
	if rare.grace != nil {
		return rare.grace
	}
	over := r.hasReturned() || rare.abandoned != nil
	limit, limited := r.child.StopTimeout()
	switch values := context.WithoutCancel(r); {
	case r.cause != nil && limited && !over:
		ctx, cancel := context.WithDeadline(values, r.life.began.Add(machine.After(r.stopped, machine.MostOf(limit))))
		rare.grace, rare.graceEnd = ctx, func(error) { cancel() }
	default:
		rare.grace, rare.graceEnd = context.WithCancelCause(values)
	}
	if over {
		rare.graceEnd(nil)
	}
	return rare.grace
}

// limitGrace sets the end of a grace that began before the end was known. The lock must
// be held.
func (r *run) limitGrace() {
	limit, limited := r.child.StopTimeout()
	rare := r.rareFields()
	if rare.grace == nil || r.ended || !limited {
		return
	}
	if _, set := rare.grace.Deadline(); set {
		return
	}
	if rare.graceTimer == nil {
		end := rare.graceEnd
		rare.graceTimer = time.AfterFunc(machine.MostOf(limit), func() { end(context.DeadlineExceeded) })
	} else {
		rare.graceTimer.Reset(machine.MostOf(limit))
	}
}

func (r *run) endGrace() {
	r.life.lock()
	rare := r.rareFields()
	end := rare.graceEnd
	if rare.graceTimer != nil {
		rare.graceTimer.Stop()
	}
	r.life.mu.Unlock()
	if end != nil {
		end(nil)
	}
}
