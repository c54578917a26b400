package supervisor

import (
	"context"
	"runtime"
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

	cause      error // why it was stopped, or that it has ended; else nil
	stopped    time.Duration
	ready      bool
	ended      bool
	unready    error
	grace      context.Context
	graceEnd   context.CancelCauseFunc
	graceTimer *time.Timer // ends a grace that was asked for before the stop
	nested     *life       // the supervisor inside
	super      *Supervisor // that supervisor, or the one that was inside last, in an earlier run even
	straggler  *Straggler
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
		r.pause, r.super = last.pause, last.super
	}
	for _, around := range l.around {
		r.call = around.of(r.call)
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
		now := l.now()
		r.beat.Store(int64(now))
		l.perform(&s, l.m.Ready(r.child, r.number, now))
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
	if r.straggler != nil {
		return // left behind: it changes nothing any more
	}
	if !r.ended {
		r.child.LastError = err
	}
	r.life.publish(EventError, r, err)
}

func (r *run) Heartbeat() { r.beat.Store(int64(r.life.now())) }

// Grace makes its context when it is first asked for: most runs need none. Before
// the stop its end is not known.
func (r *run) Grace() context.Context {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.grace != nil {
		return r.grace
	}
	over := r.ended || r.straggler != nil
	limit, limited := r.child.StopTimeout()
	switch values := context.WithoutCancel(r); {
	case r.cause != nil && limited && !over:
		ctx, cancel := context.WithDeadline(values, r.life.began.Add(r.stopped+mostOf(limit)))
		r.grace, r.graceEnd = ctx, func(error) { cancel() }
	default:
		r.grace, r.graceEnd = context.WithCancelCause(values)
	}
	if over {
		r.graceEnd(nil)
	}
	return r.grace
}

// limitGrace sets the end of a grace that was asked for before it was known.
// Under the lock.
func (r *run) limitGrace() {
	limit, limited := r.child.StopTimeout()
	if r.grace == nil || r.ended || !limited {
		return
	}
	if _, set := r.grace.Deadline(); set {
		return
	}
	if r.graceTimer == nil {
		end := r.graceEnd
		r.graceTimer = time.AfterFunc(mostOf(limit), func() { end(context.DeadlineExceeded) })
	} else {
		r.graceTimer.Reset(mostOf(limit))
	}
}

// stop ends the context of a run whose turn to stop has come.
func (r *run) stop(cause error) {
	r.cancel(cause)
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	r.limitGrace()
}

func (r *run) endGrace() {
	r.life.mu.Lock()
	end := r.graceEnd
	if r.graceTimer != nil {
		r.graceTimer.Stop()
	}
	r.life.mu.Unlock()
	if end != nil {
		end(nil)
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
		r = r.once([2]*run{r})
	}
}

// once calls Run, and brings the news of its end. The name and the argument of
// this function are how the goroutine of a run is found among all stacks. An
// array, as that is handed over in memory: the receiver comes in a register, and
// what a traceback prints of it is not to be relied on.
//
//go:noinline
func (r *run) once(_ [2]*run) (next *run) {
	var (
		err      error
		returned bool
	)
	defer func() {
		switch {
		case returned:
		case r.life.passPanics:
			// To recover would tell a panic from Goexit, and stop the panic.
			if panicking() {
				return // the process is about to crash: nobody is to hear of less
			}
			err = child.ErrGoexit
		default:
			// A panic may have come in the middle of a Goexit, which goes on after
			// the recovering: this goroutine is not to be relied on.
			err = child.ErrGoexit
			if v := recover(); v != nil {
				err = child.Recovered(v)
			}
		}
		next = r.leave(err, returned)
	}()
	err = r.call(r)
	returned = true
	return nil
}

// panicking reports whether the deferred function that calls it was called by a
// panic, and not by Goexit.
func panicking() bool {
	var calls [4]uintptr
	n := runtime.Callers(3, calls[:]) // without Callers, panicking and the deferred function
	caller, _ := runtime.CallersFrames(calls[:n]).Next()
	return caller.Function == "runtime.gopanic"
}

// leave ends the contexts of a run that has returned, judges its end and brings
// the news. It returns the run that this goroutine is to go on with, or nil; with
// lives false the goroutine is about to end, and takes nothing on.
func (r *run) leave(err error, lives bool) (next *run) {
	stopped := r.end()
	out := machine.Outcome{Kind: machine.Failure, Err: child.ErrGoexit} // if judging calls Goexit
	judged := false                                                     // or panics
	defer func() {
		if v := recover(); v != nil {
			out.Err = child.Recovered(v)
		}
		next = r.exited(out, lives && judged)
	}()
	if r.decide != nil && !stopped {
		err = r.decide(err)
	}
	out = classify(err)
	judged = true
	return nil
}

// end ends the contexts of a run that has returned, and reports whether it was
// asked to stop before. From here on nothing that the run calls has an effect,
// also while its end is still being judged.
func (r *run) end() (stopped bool) {
	r.life.mu.Lock()
	r.ended = true
	stopped = r.cause != nil
	if !stopped {
		r.cause = context.Canceled
	}
	cause, graced := r.cause, r.grace != nil
	r.life.mu.Unlock()
	r.cancel(cause)
	if graced {
		r.endGrace()
	}
	return stopped
}

func (r *run) exited(out machine.Outcome, lives bool) (next *run) {
	l := r.life
	var s step
	if lives {
		s.self = r
	}
	l.mu.Lock()
	if r.straggler != nil {
		l.tree.returned(r)
	}
	l.perform(&s, l.m.Exited(r.child, r.number, out, l.now()))
	l.mu.Unlock()
	l.settle(&s)
	return s.next
}
