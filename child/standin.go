package child

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/coppice-go/coppice/internal/seal"
)

// standInGrace is nine tenths of the stop timeout, as under a supervisor.
const standInGrace = DefaultStopTimeout * 9 / 10

// standIn is the Context of a Run that no supervisor runs.
type standIn struct {
	seal.Seal
	context.Context
	end *ending
}

// newStandIn notes the end of ctx when it comes, since a Grace that is asked for later
// counts from there. What waits for that end does not keep the stand-in, and goes with
// it: ctx may live long and have many.
func newStandIn(ctx context.Context) *standIn {
	s := &standIn{Context: ctx, end: new(ending)}
	switch {
	case ctx.Done() == nil: // it never ends
	case ctx.Err() != nil:
		s.end.at = endOf(ctx)
	default:
		s.end.forget = context.AfterFunc(ctx, s.end.comes)
		runtime.AddCleanup(s, (*ending).release, s.end)
	}
	return s
}

func (s *standIn) Ready() error {
	if s.Err() != nil {
		return context.Cause(s.Context)
	}
	return nil
}

func (*standIn) Unready(error)      {}
func (*standIn) OnError(error)      {}
func (s *standIn) ShouldHalt() bool { return s.Err() != nil }
func (*standIn) Heartbeat()         {}
func (*standIn) Path() string       { return "" }
func (*standIn) Restarts() int      { return 0 }

// Grace has no end of Run to go by: a stand-in is not told when Run returns.
func (s *standIn) Grace() context.Context {
	ended := s.Err() != nil // before the lock: it may be a user's own type
	e := s.end
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.grace == nil {
		e.grace, e.endGrace = context.WithCancelCause(context.WithoutCancel(s.Context))
		if ended && e.at.IsZero() { // it has come in this moment
			e.at = time.Now()
		}
		if !e.at.IsZero() {
			e.limit()
		}
	}
	return e.grace
}

// ending is the end of a stand-in's context, and the grace that follows it.
type ending struct {
	forget func() bool // stops waiting for it; nil: nothing waits

	mu       sync.Mutex
	at       time.Time       // zero: it has not come
	grace    context.Context // nil: nobody has asked for it
	endGrace context.CancelCauseFunc
}

// comes says that the context ends now.
func (e *ending) comes() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.at.IsZero() {
		return // Grace has seen it first
	}
	e.at = time.Now()
	if e.grace != nil {
		e.limit()
	}
}

// limit sets the end of the grace. Under the lock.
func (e *ending) limit() {
	end, left := e.endGrace, time.Until(e.at.Add(standInGrace))
	if left <= 0 {
		end(context.DeadlineExceeded)
		return
	}
	time.AfterFunc(left, func() { end(context.DeadlineExceeded) })
}

// release says that nobody has the stand-in any more. Somebody may still have its grace.
func (e *ending) release() {
	e.mu.Lock()
	asked := e.grace != nil
	e.mu.Unlock()
	if !asked {
		e.forget()
	}
}

// endOf returns when ctx, which has ended, did so: at its deadline, or as far as is
// known now.
func endOf(ctx context.Context) time.Time {
	now := time.Now()
	if at, ok := ctx.Deadline(); ok && ctx.Err() == context.DeadlineExceeded && at.Before(now) {
		return at
	}
	return now
}
