package supervisor

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/seal"
)

// A run is one call of a child's Run, and the child.Context given to it. Context
// and record exist before the goroutine does, so that a run can be cancelled
// before it has begun.
type run struct {
	context.Context // the real one: Done, Err and Deadline are its
	seal.Seal
	cancel context.CancelCauseFunc

	life     *life
	child    *machine.Child
	spec     *child.Spec // as it was when the run was launched
	restarts int
	beat     atomic.Int64

	// Its one timer: an entry of life.timers, or an alarm of its own. Under the
	// lock of life, as all below.
	deadline

	graced   atomic.Bool   // it has asked for its grace; also read without the lock
	asked    atomic.Uint32 // a machine.Why: it is to stop; then cause changes no more, and is also read without the lock
	ready    bool
	ended    bool
	returned bool  // by itself, not by a panic or Goexit; of its own goroutine, and here for the sake of its stack
	cause    error // why it was stopped, or that it has ended; else nil
	stopped  time.Duration
	nextExit *run  // the next in life.ends, or in life.fetched
	rare     *rare // nil until something in it is needed
}

// rare is what rare runs have.
type rare struct {
	own          *time.Timer // an alarm
	watch        *watch
	backoff      *backoffState // the child's, handed from run to run; nil until it was asked
	unready      error
	unreadySince time.Duration
	unreadyFor   time.Duration // before that
	grace        context.Context
	graceEnd     context.CancelCauseFunc
	graceTimer   *time.Timer // ends a grace that was asked for before the stop
	nested       *life       // the supervisor inside
	stopped      []*life     // those that ended as the run was being stopped
	ended        *life       // the latest that ended before that
	super        *Supervisor // that supervisor, or the one that was inside last, in an earlier run even
	abandoned    *AbandonedRun
	inStop       bool      // it was abandoned as its supervisor ended
	wrong        StopError // what was wrong with its stop
}

// noRare is what most runs have of it. It is never written.
var noRare rare

// rareFields returns what is there of the few, to read. A child that rareFields not run yet rareFields no run.
func (r *run) rareFields() *rare {
	if r == nil || r.rare == nil {
		return &noRare
	}
	return r.rare
}

// ensureRare returns the same, to write.
func (r *run) ensureRare() *rare {
	if r.rare == nil {
		r.rare = new(rare)
	}
	return r.rare
}

// launch makes the run that a child is to have. It is begun when the lock is released:
// on this goroutine if that has just ended the run before, else on a new one. What that
// does first may be to want the lock. Under the lock.
func (l *life) launch(s *step, c *machine.Child) {
	r := &run{life: l, child: c, spec: c.Spec, restarts: c.Restarts}
	if last := runOfChild(c); last != nil && last.rare != nil {
		if pause, super := last.rare.backoff, last.rare.super; pause != nil || super != nil {
			r.rare = &rare{backoff: pause, super: super}
		}
	}
	r.Context, r.cancel = context.WithCancelCause(l.base)
	c.Handle, c.Unready = r, false
	if s.self != nil && s.self.child == c && s.next == nil {
		s.next = r
		return
	}
	s.note(beginRun, r)
}

// begin runs a child on a goroutine of its own, and runs it again there as long as it
// is restarted without a pause. What follows the return of Run is not done in a
// deferred function, below it: so it fits into the stack that a goroutine begins with,
// also where it starts or stops the next child.
func (r *run) begin() {
	go func() {
		for r := r; r != nil; {
			err := r.once([2]*run{r})
			if !r.returned {
				return
			}
			out, judged := r.judge([2]*run{r}, err)
			if !judged {
				return
			}
			r = r.exited(out, true)
		}
	}()
}

// runOfChild returns the latest run of a child, or nil.
func runOfChild(c *machine.Child) *run {
	r, _ := c.Handle.(*run)
	return r
}

// number returns the run's number if it is its child's latest. An earlier one has
// zero, which no run has: the machine takes its news as late. Under the lock.
func (r *run) number() uint64 {
	if runOfChild(r.child) != r {
		return 0
	}
	return r.child.Run()
}

// Value finds the run itself under its key, for FromContext, and the fate of its
// child, for a Ref.
func (r *run) Value(key any) any {
	switch key {
	case runkey.Key{}:
		return r
	case runkey.Fate{}:
		return &fate{r.life.sup, r.life.path, r.spec.Name}
	}
	return r.Context.Value(key)
}

func (r *run) Path() string     { return r.life.path + "/" + r.spec.Name } // that of the child may be replaced
func (r *run) Restarts() int    { return r.restarts }
func (r *run) ShouldHalt() bool { return r.Err() != nil }

// Ready may wait for the lock, and may start the next child. For that to fit into the
// 2 KB of stack that a goroutine begins with, the frames from here to launch are kept
// small. A stack that has grown is a third of what an idle child takes; the benchmarks'
// tests see to it.
func (r *run) Ready() error {
	r.life.mu.Lock() // here, and no call deeper
	err := r.becomeReady(r.life.entered())
	r.life.leave()
	return err
}

// becomeReady is the part of Ready that is under the lock.
func (r *run) becomeReady(now time.Duration) error {
	l := r.life
	err := r.refusal()
	switch {
	case err != nil:
	case !r.ready:
		r.ready = true
		l.m.Ready(r.child, r.number(), now)
	case r.rareFields().unready != nil:
		r.readyAgain(now)
	}
	return err
}

// readyAgain takes back Unready. It is not inlined, for becomeReady to have a small
// frame: see Ready.
//
//go:noinline
func (r *run) readyAgain(now time.Duration) {
	f := r.rare
	f.unreadyFor = r.timeUnready(now)
	f.unready, r.child.Unready = nil, false
	r.life.publish(&Event{Kind: EventReady, again: true, down: now - f.unreadySince}, r)
}

func (r *run) Unready(err error) {
	if err == nil {
		err = child.ErrNotReady
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.ready && r.refusal() == nil {
		f, e := r.ensureRare(), Event{Kind: EventUnready, Err: err}
		if e.again = f.unready != nil; !e.again {
			f.unreadySince = r.life.now()
		}
		f.unready, r.child.Unready = err, true
		r.life.publish(&e, r)
	}
}

// timeUnready is for how long the run has been unready. Under the lock.
func (r *run) timeUnready(now time.Duration) time.Duration {
	f := r.rareFields()
	if f.unready == nil {
		return f.unreadyFor
	}
	return f.unreadyFor + now - f.unreadySince
}

func (r *run) OnError(err error) {
	if err == nil {
		return
	}
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	if r.rareFields().abandoned != nil || r.life.isOver() {
		return // abandoned, or of an earlier life: it changes nothing any more
	}
	if !r.hasReturned() {
		r.child.SetLastError(err, r.life.now())
	}
	r.life.publish(&Event{Kind: EventError, Err: err}, r)
}

// slowStart is what the event of a start that takes long says. Under the lock.
func (r *run) slowStart() error {
	if r.rareFields().nested != nil {
		return errSlowBelow
	}
	return errSlowStart
}

var (
	errSlowStart = fmt.Errorf("ctx.Ready was not called within %v: call it when set-up is done", machine.SlowStartAfter)
	errSlowBelow = fmt.Errorf("not all children were ready within %v", machine.SlowStartAfter)
)

// ask notes that the run is asked to stop. Under the lock; cancelRun follows when it
// is released.
func (r *run) ask(why machine.Why) {
	r.cause, r.stopped = r.life.cause(why), r.life.m.Now()
	r.asked.Store(uint32(why))
	r.limitGrace()
}

// refusal is why the run can neither be ready nor unready any more, or nil: the
// cause of its stop, or that it has returned. Under the lock.
func (r *run) refusal() error {
	if r.cause != nil {
		return r.cause
	}
	return r.Err()
}

// hasReturned reports whether Run has returned. Its context, which anybody may
// look at, ends first; what is noted follows with the news. Under the lock.
func (r *run) hasReturned() bool { return r.ended || r.cause == nil && r.Err() != nil }

// once calls Run. If that does not return, it brings the news of its end itself.
// The names and the first argument of this function and of judge are how the
// goroutine of a run is found among all stacks. An array, as that is handed over in
// memory: the receiver comes in a register, and what a traceback prints of it is not
// to be relied on.
//
//go:noinline
func (r *run) once(_ [2]*run) error {
	defer r.unwound()
	pprof.SetGoroutineLabels(r.life.labels) // whatever the goroutine had before, or inherited
	err := r.surrounded()(r)
	r.returned = true
	return err
}

// unwound is deferred, for a Run that panics or calls Goexit.
func (r *run) unwound() {
	if r.returned {
		return
	}
	err := child.ErrGoexit
	if r.life.passPanics && panicking() { // to recover would tell, and would stop the panic
		return // the process is about to crash: nobody is to hear of less
	}
	// A panic may have come in the middle of a Goexit, which goes on after the
	// recovering: this goroutine is not to be relied on. Deferred, as the text of a
	// panic's value may call Goexit too.
	defer func() {
		if out, judged := r.judge([2]*run{r}, err); judged {
			r.exited(out, false)
		}
	}()
	if !r.life.passPanics {
		if v := recover(); v != nil {
			err = child.Recovered(v)
		}
	}
}

// panicking reports whether the deferred function that calls it was called by a
// panic, and not by Goexit.
func panicking() bool {
	var calls [4]uintptr
	n := runtime.Callers(3, calls[:]) // without Callers, panicking and the deferred function
	caller, _ := runtime.CallersFrames(calls[:n]).Next()
	return caller.Function == "runtime.gopanic"
}

// judge ends the contexts of a run that has returned, and says what its end counts
// as. That may call what is the user's, Decide and the methods of errors. If it
// panics or calls Goexit, that is a failure, and judge itself brings the news of it.
//
//go:noinline
func (r *run) judge(_ [2]*run, err error) (out machine.Outcome, judged bool) {
	decide, stopped := r.spec.Decide, false
	if decide != nil || r.graced.Load() {
		stopped = r.end()
	} else if r.endContext(); err == nil {
		return machine.Outcome{Kind: machine.Normal}, true
	}
	defer func() {
		if judged {
			return
		}
		out = machine.Outcome{Kind: machine.Failure, Err: child.ErrGoexit, Unclean: true}
		defer func() { r.exited(out, false) }() // also if the text of the panic's value calls Goexit
		if v := recover(); v != nil {
			out.Err = child.Recovered(v)
		}
	}()
	if decide != nil && (!stopped || err != nil) {
		err = decide(err)
	}
	out = classify(err)
	out.Unclean = !r.harmless(err)
	return out, true
}

// harmless reports whether an error that the run returned says no more than that it was
// stopped.
func (r *run) harmless(err error) bool {
	var cause error
	if r.asked.Load() != 0 {
		cause = r.cause
	}
	return err == nil || harmless(err, cause, r.passesUp)
}

// endContext ends the context of a run that has returned. From here on nothing that
// the run calls has an effect, also while its end is still being judged; but if it was
// asked to stop, OnError has until the news is brought.
func (r *run) endContext() {
	if r.asked.Load() != 0 {
		r.cancel(r.cause) // which whoever asked may be about to do
	} else {
		r.cancel(context.Canceled)
	}
}

// end does the same and ends the grace, and reports whether the run was asked to
// stop before.
func (r *run) end() (stopped bool) {
	r.life.mu.Lock()
	stopped = r.hasEnded()
	cause, graced := r.cause, r.rareFields().grace != nil
	r.life.mu.Unlock()
	r.cancel(cause)
	if graced {
		r.endGrace()
	}
	return stopped
}

// why returns for what it was asked to stop; zero if it was not, or there is no run.
func (r *run) why() machine.Why {
	if r == nil {
		return 0
	}
	return machine.Why(r.asked.Load())
}

// hasEnded notes that the run has returned, and reports whether it was asked to
// stop before. Under the lock.
func (r *run) hasEnded() (stopped bool) {
	r.ended = true
	if r.cause != nil {
		return true
	}
	r.cause = context.Canceled
	return false
}

// exited brings the news of an end, or posts it: then it may bring those of others
// too. It returns the run that this goroutine is to go on with, or nil; with lives
// false the goroutine is about to end, and takes nothing on.
func (r *run) exited(out machine.Outcome, lives bool) (next *run) {
	l := r.life
	if !l.ordered && out.Kind == machine.Normal && r.why() == machine.WhyClosing {
		l.pushExit(r)
		return nil
	}
	graced := l.exited(r, out, l.enter())
	if lives {
		next = l.leaveFor(r)
	} else {
		l.leave()
	}
	if graced {
		r.endGrace()
	}
	return next
}

// exited brings the machine the news of an end. It reports whether a grace has to be
// exited, which was asked for in this very moment. Under the lock.
func (l *life) exited(r *run, out machine.Outcome, now time.Duration) (graced bool) {
	if !r.ended {
		r.hasEnded()
		graced = r.rareFields().grace != nil
	}
	if r.rareFields().abandoned != nil {
		l.shared.returned(r)
	}
	l.m.Unready = r.timeUnready(now)
	l.m.Exited(r.child, r.number(), out, now)
	return graced
}
