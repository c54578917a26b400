package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// deadlines holds the timers of a life for durations that many children share: start
// timeout, stop timeout, slow start. Deadlines of one duration expire in the order in
// which they were set, so they form a queue; a single timer, for the first deadline of
// all queues, serves all of them. Setting and clearing a deadline needs no timer, also
// for a hundred thousand children that are asked to stop at once.
type deadlines struct {
	slow, stop queue // of the most common durations
	others     map[time.Duration]*queue
	latest     [machine.StopTimer + 1]*queue // the queue used last for each kind: usually also the next one

	timer *time.Timer // nil before its first use
	at    time.Duration
	set   bool // the timer is set, for the time at
}

// A deadline is a run's entry in a queue.
type deadline struct {
	queue         *queue // nil if it is in none
	before, after *run
	due           time.Duration
	set           uint32 // incremented by each setting, so that a timer in flight knows that it is stale
	timer         machine.Timer
	spared        bool // it was extended by one period, because the process stood still
}

// A queue holds the deadlines of one duration, the earliest first.
type queue struct {
	wait        time.Duration
	front, back *run
}

// arm puts r into the queue of that duration. l.mu must be held.
func (d *deadlines) arm(l *life, r *run, t machine.Timer, wait time.Duration) {
	d.disarm(r)
	q := d.latest[t]
	if q == nil || q.wait != wait {
		if q = d.queue(wait); q == nil {
			r.armAlone(t, wait)
			return
		}
		d.latest[t] = q
	}
	r.queue, r.timer, r.due, r.spared = q, t, machine.After(l.m.Now(), wait), false
	r.before, r.after = q.back, nil
	if q.back != nil {
		q.back.after = r
	} else {
		q.front = r
	}
	q.back = r
	d.wake(l, r.due, l.m.Now())
}

// mostQueues bounds the queues that expired goes through each time. Where almost every
// child has a timeout of a different length, the rest have timers of their own.
const mostQueues = 64

// queue returns the queue of that duration, or nil if there are too many.
func (d *deadlines) queue(wait time.Duration) *queue {
	switch wait {
	case machine.SlowStartAfter:
		d.slow.wait = wait
		return &d.slow
	case child.DefaultStopTimeout:
		d.stop.wait = wait
		return &d.stop
	}
	q := d.others[wait]
	if q == nil {
		if len(d.others) == mostQueues {
			return nil
		}
		if d.others == nil {
			d.others = make(map[time.Duration]*queue)
		}
		q = &queue{wait: wait}
		d.others[wait] = q
	}
	return q
}

// wake makes sure that the timer fires at that time or earlier. The timer stays set for a
// deadline that was cleared: when it fires, expired checks what has passed.
func (d *deadlines) wake(l *life, at, now time.Duration) {
	switch {
	case d.set && d.at <= at:
		return
	case d.timer == nil:
		d.timer = time.AfterFunc(at-now, l.expire)
	default:
		d.timer.Reset(at - now)
	}
	d.at, d.set = at, true
}

// disarm clears the timer of r, of either kind. The lock of its life must be held.
func (d *deadlines) disarm(r *run) {
	r.set++
	if own := r.rareFields().own; own != nil {
		own.Stop()
		r.rare.own = nil
	}
	if r.queue == nil {
		return
	}
	if r.before != nil {
		r.before.after = r.after
	} else {
		r.queue.front = r.after
	}
	if r.after != nil {
		r.after.before = r.before
	} else {
		r.queue.back = r.before
	}
	r.queue, r.before, r.after = nil, nil, nil
}

// end clears all timers, at the end of a life.
func (d *deadlines) end() {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadlines{}
}

// An expiry is a deadline that has passed; it is stale if the run's timer was set again
// since.
type expiry struct {
	run   *run
	timer machine.Timer
	set   uint32
	due   time.Duration
	wait  time.Duration

	abandons bool // it abandons the run unless that has returned by now
}

// expired removes the deadlines that have passed from the queues, sets the timer for the
// next one, and returns them in the order of their times.
func (d *deadlines) expired(l *life, now time.Duration) (all []expiry) {
	d.set = false
	late := now - d.at
	look := func(q *queue) {
		if late > slack(q.wait) {
			q.spare(now)
		}
		for r := q.front; r != nil && r.due <= now; r = q.front {
			d.disarm(r)
			all = append(all, expiry{r, r.timer, r.set, r.due, q.wait, r.timer == machine.StopTimer && !r.child.Nested})
		}
		if q.front != nil {
			d.wake(l, q.front.due, now)
		}
	}
	look(&d.slow)
	look(&d.stop)
	for wait, q := range d.others {
		if look(q); q.front == nil {
			delete(d.others, wait)
			for t, latest := range d.latest {
				if latest == q {
					d.latest[t] = nil
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b expiry) int {
		return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.wait, b.wait))
	})
	return all
}

// If a process was suspended, or a machine stood still, its children are not late. A timer
// that fires later than its slack reveals this. All deadlines that it may affect are then
// extended by one period, but only once: a machine that is always slow must not keep a
// hanging child forever.

// slack returns how late a timer may be.
func slack(wait time.Duration) time.Duration { return max(wait/4, 100*time.Millisecond) }

// spare extends all deadlines of the queue to one period from now. Those that were
// extended before are in front, so the queue stays in order.
func (q *queue) spare(now time.Duration) {
	for r := q.front; r != nil; r = r.after {
		if !r.spared {
			r.due, r.spared = machine.After(now, q.wait), true
		}
	}
}

// expire is called by the timer of a life's deadlines.
func (l *life) expire() {
	var all []expiry
	l.lock()
	if !l.isOver() {
		all = l.timers.expired(l, l.now())
	}
	l.mu.Unlock()
	var (
		abandons bool
		moment   time.Time
		now      = time.Now()
	)
	for _, e := range all {
		if at := lateFor(now, e.wait); e.abandons && at.After(moment) {
			abandons, moment = true, at
		}
	}
	var stacks *dump
	if abandons {
		stacks = l.beforeAbandoning(moment)
	}
	for _, e := range all {
		l.fire(e.run, e.timer, e.set, stacks)
	}
}

// arm sets the timer of r, replacing any other. The lock of its life must be held.
func (r *run) arm(t machine.Timer, wait time.Duration) {
	switch l := r.life; t {
	case machine.BeatTimer:
		r.watch(wait)
	case machine.RetryTimer:
		r.alarm(wait, func(set uint32) { l.fire(r, t, set, nil) })
	default:
		l.timers.arm(l, r, t, wait)
	}
}

// alarm sets a timer of the run's own, for a duration that no other run shares. It calls
// f with the number of this setting. The lock of the run's life must be held.
func (r *run) alarm(wait time.Duration, f func(set uint32)) {
	r.life.timers.disarm(r)
	set := r.set
	r.ensureRare().own = time.AfterFunc(wait, func() { f(set) })
}

// armAlone sets a deadline that no queue has room for. l.mu must be held.
func (r *run) armAlone(t machine.Timer, wait time.Duration) {
	due := machine.After(r.life.m.Now(), wait)
	r.spared = false
	r.alarm(wait, func(set uint32) { r.expireAlone(t, set, wait, due) })
}

// expireAlone is what that alarm calls.
func (r *run) expireAlone(t machine.Timer, set uint32, wait, due time.Duration) {
	l := r.life
	l.lock()
	if r.set != set {
		l.mu.Unlock()
		return
	}
	if now := l.now(); now-due > slack(wait) && !r.spared {
		r.spared = true
		r.alarm(wait, func(set uint32) { r.expireAlone(t, set, wait, machine.After(now, wait)) })
		l.mu.Unlock()
		return
	}
	abandons := t == machine.StopTimer && !r.child.Nested
	l.mu.Unlock()
	var stacks *dump
	if abandons {
		stacks = l.beforeAbandoning(lateFor(time.Now(), wait))
	}
	l.fire(r, t, set, stacks)
}

// fire passes the expiry of a timer to the machine, unless the timer was set again or
// cleared meanwhile.
func (l *life) fire(r *run, t machine.Timer, set uint32, stacks *dump) {
	now := l.enter()
	switch {
	case r.set != set:
	case t == machine.StartTimer && !r.stopsPosting():
		r.arm(t, time.Millisecond) // it is ready, just in time, unless its end comes before its post
	default:
		if stacks != nil { // otherwise those for an end in progress stay
			l.dump = stacks
		}
		l.m.Timer(r.child, r.number(), t, now)
	}
	l.leave()
}
