package child

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/coppice-go/coppice/internal/seal"
)

// detachedGrace is nine tenths of the default stop timeout, as under a supervisor.
const detachedGrace = DefaultStopTimeout * 9 / 10

// detached is the Context of a Run that is called without a supervisor.
type detached struct {
	seal.Seal
	context.Context
	end *ending
}

// newDetached arranges for the end of ctx to be recorded, because the grace counts
// from there, however late it is requested. The callback on ctx does not reference
// the detached Context and is removed when that is collected: a long-lived ctx may
// have many of them.
func newDetached(ctx context.Context) *detached {
	d := &detached{Context: ctx, end: new(ending)}
	switch {
	case ctx.Done() == nil: // it never ends
	case ctx.Err() != nil:
		d.end.at = endOf(ctx)
	default:
		d.end.unwatch = context.AfterFunc(ctx, d.end.record)
		runtime.AddCleanup(d, (*ending).release, d.end)
	}
	return d
}

func (d *detached) Ready() error {
	if d.Err() != nil {
		return context.Cause(d.Context)
	}
	return nil
}

func (*detached) Unready(error)      {}
func (*detached) OnError(error)      {}
func (d *detached) ShouldHalt() bool { return d.Err() != nil }
func (*detached) Status(string)      {}
func (*detached) Heartbeat()         {}
func (*detached) Path() string       { return "" }
func (*detached) Restarts() int      { return 0 }

// Grace does not end when Run returns, unlike under a supervisor: a detached Context
// does not learn of that.
func (d *detached) Grace() context.Context {
	ended := d.Err() != nil // outside the lock: Err may be a user's method
	e := d.end
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.grace == nil {
		e.grace, e.endGrace = context.WithCancelCause(context.WithoutCancel(d.Context))
		if ended && e.at.IsZero() { // it ended just now: record has not run yet
			e.at = time.Now()
		}
		if !e.at.IsZero() {
			e.limitGrace()
		}
	}
	return e.grace
}

// ending records the end of a detached Context and holds its grace.
type ending struct {
	unwatch func() bool // removes the callback that records the end; nil: there is none

	mu       sync.Mutex
	at       time.Time       // when the context ended; zero: it has not
	grace    context.Context // nil: not requested yet
	endGrace context.CancelCauseFunc
}

// record records that the context ends now.
func (e *ending) record() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.at.IsZero() {
		return // Grace has recorded it already
	}
	e.at = time.Now()
	if e.grace != nil {
		e.limitGrace()
	}
}

// limitGrace sets the end of the grace. e.mu must be held.
func (e *ending) limitGrace() {
	end, left := e.endGrace, time.Until(e.at.Add(detachedGrace))
	if left <= 0 {
		end(context.DeadlineExceeded)
		return
	}
	time.AfterFunc(left, func() { end(context.DeadlineExceeded) })
}

// release is called when the detached Context is unreachable. Its grace may still be
// in use, and then must still end.
func (e *ending) release() {
	e.mu.Lock()
	requested := e.grace != nil
	e.mu.Unlock()
	if !requested {
		e.unwatch()
	}
}

// endOf returns when ctx, which has ended, did so: at its deadline if that ended it,
// and else now, because nothing better is known.
func endOf(ctx context.Context) time.Time {
	now := time.Now()
	if at, ok := ctx.Deadline(); ok && ctx.Err() == context.DeadlineExceeded && at.Before(now) {
		return at
	}
	return now
}
