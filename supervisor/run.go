package supervisor

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/runkey"
)

// A run is one call of a child's Run, and the child.Context given to it. Context
// and record exist before the goroutine does, so that a run can be cancelled
// before it has begun.
type run struct {
	context.Context // the real one: Done, Err and Deadline are its
	seal
	cancel context.CancelCauseFunc

	life     *life
	child    *machine.Child
	number   uint64
	restarts int
	call     func(child.Context) error
	decide   func(error) error
	pause    *pause // the child's, handed from run to run; nil until it was asked
	beat     atomic.Int64

	// Its one timer: an entry of life.timers, or an alarm of its own. Under the
	// lock of life, as all below.
	deadline
	own *time.Timer

	cause     error // why it was stopped, or that it has ended; else nil
	stopped   time.Duration
	ready     bool
	ended     bool
	unready   error
	grace     context.Context
	graceEnd  context.CancelFunc
	nested    *life // the supervisor inside
	straggler *Straggler
}

// seal has the one method of child.Context that only package context can write.
// It stands deeper than the methods of the real context, which therefore win.
type seal struct{ child.Context }

// newRun makes the run that a launched child is to have.
func newRun(l *life, c *machine.Child) *run {
	r := &run{
		life: l, child: c, number: c.Run(), restarts: c.Restarts,
		call: c.Spec.Run, decide: c.Spec.Decide,
	}
	if last := runOfChild(c); last != nil {
		r.pause = last.pause
	}
	r.Context, r.cancel = context.WithCancelCause(l.base)
	c.Handle = r
	return r
}

// runOfChild returns the latest run of a child, or nil.
func runOfChild(c *machine.Child) *run {
	r, _ := c.Handle.(*run)
	return r
}

// Value finds the run itself under its key, for FromContext.
func (r *run) Value(key any) any {
	if key == (runkey.Key{}) {
		return r
	}
	return r.Context.Value(key)
}

func (r *run) Path() string     { return r.life.pathOf(r.child) }
func (r *run) Restarts() int    { return r.restarts }
func (r *run) ShouldHalt() bool { return r.Err() != nil }

func (r *run) Ready() error {
	l := r.life
	var s step
	l.mu.Lock()
	err := r.cause
	switch {
	case err != nil:
	case !r.ready:
		r.ready = true
		r.beat.Store(int64(l.now()))
		l.perform(&s, l.m.Ready(r.child, r.number, l.now()))
	case r.unready != nil:
		r.unready = nil
		l.publish(EventReady, r, nil)
	}
	l.mu.Unlock()
	l.settle(&s)
	return err
}

func (r *run) Unready(err error) {
	if err == nil {
		err = child.ErrNotReady
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.ready && r.cause == nil {
		r.unready = err
		r.life.publish(EventUnready, r, err)
	}
}

func (r *run) OnError(err error) {
	if err == nil {
		return
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if !r.ended {
		r.child.LastError = err
	}
	r.life.publish(EventError, r, err)
}

func (r *run) Heartbeat() { r.beat.Store(int64(r.life.now())) }

// Grace makes its context when it is first asked for: most runs need none.
func (r *run) Grace() context.Context {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	switch {
	case r.grace != nil:
	case r.ended:
		r.grace, r.graceEnd = context.WithCancel(context.WithoutCancel(r))
		r.graceEnd()
	case r.cause == nil:
		r.grace, r.graceEnd = context.WithCancel(context.WithoutCancel(r)) // its end is set when the stop comes
	default:
		r.grace, r.graceEnd = context.WithCancel(context.WithoutCancel(r))
		if limit, limited := r.child.StopTimeout(); limited {
			r.graceEnd()
			end := r.life.began.Add(r.stopped + mostOf(limit))
			r.grace, r.graceEnd = context.WithDeadline(context.WithoutCancel(r), end)
		}
	}
	return r.grace
}

// stop ends the context of a run whose turn to stop has come, and sets the end
// of its grace if somebody has asked for that already.
func (r *run) stop(cause error) {
	r.cancel(cause)
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.grace == nil || r.ended {
		return
	}
	if limit, limited := r.child.StopTimeout(); limited {
		if _, set := r.grace.Deadline(); !set {
			time.AfterFunc(mostOf(limit), r.graceEnd)
		}
	}
}

func (r *run) endGrace() {
	r.life.mu.Lock()
	end := r.graceEnd
	r.life.mu.Unlock()
	if end != nil {
		end()
	}
}

// inside returns the supervisor that runs in the run, or nil.
func (r *run) inside() *life {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	return r.nested
}

// loop runs a child, and runs it again on the same goroutine as long as it is
// restarted without a pause.
func (r *run) loop() {
	for r != nil {
		r = r.once()
	}
}

// once calls Run, and brings the news of its end. The name and the receiver of
// this function are how the goroutine of a run is found among all stacks.
//
//go:noinline
func (r *run) once() (next *run) {
	var (
		err      error
		returned bool
	)
	defer func() {
		switch {
		case returned:
		case r.life.passPanics:
			// Recovering is the only way to tell a panic from Goexit, and would
			// stop the panic. So the news goes its own way; after a panic the
			// process is over before it matters.
			go r.leave(child.ErrGoexit, false)
			return
		default:
			if v := recover(); v != nil {
				err, returned = child.Recovered(v), true
			} else {
				err = child.ErrGoexit
			}
		}
		next = r.leave(err, returned)
	}()
	err = r.call(r)
	returned = true
	return nil
}

// leave ends the contexts of a run that has returned, judges its end and brings
// the news. It returns the run that this goroutine is to go on with, or nil; with
// lives false the goroutine is about to end, and takes nothing on.
func (r *run) leave(err error, lives bool) (next *run) {
	stopping := r.Err() != nil
	r.cancel(nil)
	r.endGrace()
	out := machine.Outcome{Kind: machine.Failure, Err: child.ErrGoexit} // if judging calls Goexit
	judged := false
	defer func() {
		if v := recover(); v != nil {
			out = machine.Outcome{Kind: machine.Failure, Err: child.Recovered(v)}
			judged = true
		}
		next = r.exited(out, lives && judged)
	}()
	if r.decide != nil && !stopping {
		err = r.decide(err)
	}
	out = classify(err)
	judged = true
	return nil
}

func (r *run) exited(out machine.Outcome, lives bool) (next *run) {
	l := r.life
	var s step
	if lives {
		s.self = r
	}
	l.mu.Lock()
	r.ended = true
	if r.cause == nil {
		r.cause = context.Canceled
	}
	if r.straggler != nil {
		l.tree.returned(r)
	}
	l.perform(&s, l.m.Exited(r.child, r.number, out, l.now()))
	l.mu.Unlock()
	l.settle(&s)
	return s.next
}
