package supervisor

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/seal"
)

// A run is one call of a child's Run, and the child.Context passed to it. The context and
// the record exist before the goroutine does, so that a run can be cancelled before it
// begins.
type run struct {
	context.Context // provides Done, Err and Deadline
	seal.Seal
	cancel context.CancelCauseFunc

	life     *life
	child    *machine.Child
	spec     *child.Spec // at the time of the launch
	restarts int
	beat     atomic.Int64

	// The only timer of the run: an entry of life.timers, or rare.own. It and everything
	// below are guarded by life.mu.
	deadline

	post       atomic.Uint32 // see ready_batch.go
	graced     atomic.Bool   // Grace was called; also read without the lock
	asked      atomic.Uint32 // the machine.Why if it was asked to stop; from then on cause is fixed and also read without the lock
	ready      bool
	ended      bool
	plain      bool  // the spec has no Decide, among others: see machine.Child.Plain
	stage      stage // used only by the run's goroutine, and kept here to keep its stack frame small
	cause      error // why it was stopped, or context.Canceled once it has ended
	stopped    time.Duration
	nextPosted *run  // the next one in life.posted, life.exits or life.draining
	rare       *rare // nil until needed
}

// rare holds state that most runs never need. It is allocated on first use.
type rare struct {
	own          *time.Timer // see alarm
	watch        *watch
	backoff      *backoffState // of the child, passed on from run to run; nil until its first use
	unready      error
	unreadySince time.Duration
	unreadyFor   time.Duration // in total, before unreadySince
	text         string        // the latest status text
	grace        context.Context
	graceEnd     context.CancelCauseFunc
	graceTimer   *time.Timer // ends a grace that began before the stop
	nested       *life       // the supervisor that runs in the run
	stopped      []*life     // nested supervisors that ended while the run was being stopped
	ended        *life       // the last one that ended before that
	super        *Supervisor // the supervisor of nested, or the last one that ran in the child
	abandoned    *AbandonedRun
	inStop       bool          // it was abandoned while its supervisor ended
	order        uint64        // its number among the abandoned runs of the tree
	number       uint64        // of the abandoned run
	stopAsked    time.Duration // when it was asked to stop, if stopped is later
	wrong        StopError     // what went wrong with its stop
}

// noRare is the shared zero value. It must not be written.
var noRare rare

// rareFields returns the rare state for reading. r may be nil: a child that has not been
// started has no run.
func (r *run) rareFields() *rare {
	if r == nil || r.rare == nil {
		return &noRare
	}
	return r.rare
}

// ensureRare returns the rare state for writing.
func (r *run) ensureRare() *rare {
	if r.rare == nil {
		r.rare = new(rare)
	}
	return r.rare
}

// launch creates the next run of a child. The run begins after the lock is released: on
// this goroutine if the previous run has just ended on it, otherwise on a new one. The
// new goroutine may need the lock right away, so it must not be started while the lock is
// held. l.mu must be held.
func (l *life) launch(s *step, c *machine.Child) {
	l.starting++
	r := &run{life: l, child: c, spec: c.Spec, plain: c.Plain, restarts: int(c.Restarts)}
	if last := runOfChild(c); last != nil && last.rare != nil {
		backoff, super := last.rare.backoff, last.rare.super
		if last.spec != c.Spec && l.m.Trying(c) { // it has another spec
			backoff = nil
		}
		if backoff != nil || super != nil {
			r.rare = &rare{backoff: backoff, super: super}
		}
	}
	r.Context, r.cancel = context.WithCancelCause(l.base)
	c.Handle, c.Unready, c.Said = r, false, false
	if s.self != nil && s.self.child == c && s.next == nil {
		s.next = r
		return
	}
	s.note(beginRun, r)
}

// runOfChild returns the latest run of a child, or nil.
func runOfChild(c *machine.Child) *run {
	r, _ := c.Handle.(*run)
	return r
}

// number returns the run's number if it is the latest run of its child, otherwise zero,
// which is no run's number: the machine then ignores the event as late. The lock must be
// held.
func (r *run) number() uint64 {
	if runOfChild(r.child) != r {
		return 0
	}
	return r.child.Run()
}

// Value returns the run itself for FromContext, the fate of its child for a Ref, its period
// for a run that passes heartbeats on, and its stop timeout for one that has failed and waits
// for what it has begun.
func (r *run) Value(key any) any {
	switch key {
	case runkey.Key{}:
		return r
	case runkey.Fate{}:
		return &fate{r.life.sup, r.life.path, r.spec.Name}
	case runkey.Heartbeat{}:
		return r.spec.Heartbeat
	case runkey.StopTimeout{}:
		return max(0, cmp.Or(r.spec.StopTimeout, child.DefaultStopTimeout))
	}
	return r.Context.Value(key)
}

func (r *run) Path() string     { return r.life.path + "/" + r.spec.Name } // from its own spec: the child's may be replaced
func (r *run) Restarts() int    { return r.restarts }
func (r *run) ShouldHalt() bool { return r.Err() != nil }

// Ready may wait for the lock, and may start the next child, or many. The frames from here to
// launch are kept small so that this fits into the 2 KB stack with which a goroutine
// begins. A grown stack is a third of the memory of an idle child; bench/memory_test.go
// guards this.
func (r *run) Ready() error {
	if r.life.postsReady.Load() && r.postReady() {
		if r.why() != 0 || r.Err() != nil {
			return r.afterPost()
		}
		return nil
	}
	r.life.lock() // here, to save a frame
	err := r.becomeReady(r.life.entered())
	r.life.leave()
	return err
}

// becomeReady is the part of Ready under the lock.
func (r *run) becomeReady(now time.Duration) error {
	err := r.refusal()
	if err == nil {
		r.isReady(now)
	}
	return err
}

// isReady passes it to the machine that the run is ready, or ends Unready. The lock must be
// held.
func (r *run) isReady(now time.Duration) {
	switch {
	case !r.ready:
		r.ready = true
		r.post.CompareAndSwap(mayPost, noPost)
		less(&r.life.starting)
		r.life.m.Ready(r.child, r.number(), now)
	case r.rareFields().unready != nil:
		r.readyAgain(now)
	}
}

// readyAgain ends Unready. It is not inlined, to keep becomeReady's frame small: see
// Ready.
//
//go:noinline
func (r *run) readyAgain(now time.Duration) {
	rare := r.rare
	rare.unreadyFor = r.timeUnready(now)
	rare.unready, r.child.Unready = nil, false
	r.life.awaits.wake(r.spec.Name)
	r.life.publish(&Event{Kind: EventReady, again: true, down: now - rare.unreadySince}, r)
}

func (r *run) Unready(err error) {
	if err == nil {
		err = child.ErrNotReady
	}
	r.life.lock()
	defer r.life.mu.Unlock()
	if r.ready && r.refusal() == nil {
		rare, e := r.ensureRare(), Event{Kind: EventUnready, Err: err}
		if e.again = rare.unready != nil; !e.again {
			rare.unreadySince = r.life.now()
		}
		rare.unready, r.child.Unready = err, true
		r.life.publish(&e, r)
	}
}

// timeUnready returns how long the run has been unready in total. The lock must be held.
func (r *run) timeUnready(now time.Duration) time.Duration {
	rare := r.rareFields()
	if rare.unready == nil {
		return rare.unreadyFor
	}
	return rare.unreadyFor + now - rare.unreadySince
}

func (r *run) OnError(err error) {
	if err == nil {
		return
	}
	r.life.lock()
	defer r.life.mu.Unlock()
	if r.rareFields().abandoned != nil || r.life.isOver() {
		return // abandoned, or of an earlier life: it has no effect any more
	}
	if !r.hasReturned() {
		r.child.SetLastError(err, r.life.now())
	}
	r.life.publish(&Event{Kind: EventError, Err: err}, r)
}

// slowStart returns the error of EventSlowStart. The lock must be held.
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

// ask records that the run is asked to stop. The lock must be held; cancelRun follows
// when it is released.
func (r *run) ask(why machine.Why) {
	r.cause, r.stopped = r.life.cause(why), r.life.m.Now()
	r.asked.Store(uint32(why))
	r.life.leaving++
	r.limitGrace()
}

// askedAt returns when the run was asked to stop. The lock must be held.
func (r *run) askedAt() time.Duration {
	if at := r.rareFields().stopAsked; at != 0 {
		return at
	}
	return r.stopped
}

// refusal returns the reason why the run can no longer become ready or unready, or nil:
// the cause of its stop, or that it has returned. The lock must be held.
func (r *run) refusal() error {
	if r.cause != nil {
		return r.cause
	}
	return r.Err()
}

// hasReturned reports whether Run has returned. Its context, which is visible to other
// goroutines, ends first; ended follows with the exit. The lock must be held.
func (r *run) hasReturned() bool { return r.ended || r.cause == nil && r.Err() != nil }

// harmless reports whether an error that the run returned says no more than that it was
// stopped.
func (r *run) harmless(err error) bool {
	var cause error
	if r.asked.Load() != 0 {
		cause = r.cause
	}
	return err == nil || harmless(err, cause, r.passesUp)
}

// endContext ends the context of a run that has returned. From then on calls of the run
// have no effect, even while its end is still being judged. One exception: if the run was
// asked to stop, OnError has an effect until the exit is handled.
func (r *run) endContext() {
	if r.asked.Load() != 0 {
		r.cancel(r.cause) // as the goroutine that asked is about to do
	} else {
		r.cancel(context.Canceled)
	}
}

// end is endContext that also ends the grace. It reports whether the run was asked to
// stop before.
func (r *run) end() (stopped bool) {
	r.life.lock()
	stopped = r.hasEnded()
	cause, graced := r.cause, r.rareFields().grace != nil
	r.life.mu.Unlock()
	r.cancel(cause)
	if graced {
		r.endGrace()
	}
	return stopped
}

// why returns the reason for which the run was asked to stop, or zero if it was not or r
// is nil.
func (r *run) why() machine.Why {
	if r == nil {
		return 0
	}
	return machine.Why(r.asked.Load())
}

// hasEnded records that the run has returned, and reports whether it was asked to stop
// before. The lock must be held.
func (r *run) hasEnded() (stopped bool) {
	r.ended = true
	if r.cause != nil {
		return true
	}
	r.cause = context.Canceled
	return false
}

// exited handles the end of the run, or queues it for another goroutine. It returns the
// run that this goroutine must continue with, or nil. If lives is false, the goroutine is
// about to end and takes over no other run.
func (r *run) exited(end *machine.Outcome, lives bool) (next *run) {
	l := r.life
	if !l.ordered && end.Kind == machine.Normal && r.why() == machine.WhyClosing && r.stopsPosting() {
		l.pushExit(r)
		return nil
	}
	graced := l.exited(r, *end, l.enter())
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

// exited passes the end of a run to the machine. It reports whether the caller must end a
// grace that was requested at this very moment. l.mu must be held.
func (l *life) exited(r *run, out machine.Outcome, now time.Duration) (graced bool) {
	if !r.ready {
		less(&l.starting)
	}
	if r.why() != 0 {
		less(&l.leaving)
	}
	if !r.ended {
		r.hasEnded()
		graced = r.rareFields().grace != nil
	}
	if r.rareFields().abandoned != nil {
		l.shared.returned(r)
		l.late = r.rare.number
	}
	l.m.Unready = r.timeUnready(now)
	l.m.Exited(r.child, r.number(), out, now)
	return graced
}
