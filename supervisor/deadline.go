package supervisor

import (
	"cmp"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// deadlines are the timers of a life whose lengths few children differ in: start
// timeouts, stop timeouts, slow starts. Those of one length fall due in the order
// in which they were set, so they stand in a queue; and one timer, for the first of
// all queues, serves them all. Setting and clearing costs no timer, also for a
// hundred thousand children that are asked to stop at once.
type deadlines struct {
	slow, stop queue // of the lengths that most children have
	others     map[time.Duration]*queue
	latest     [machine.StopTimer + 1]*queue // that each kind was put into last: mostly the next, too

	timer *time.Timer // nil: none was set yet
	at    time.Duration
	set   bool // it will go off at that time
}

// A deadline is a run's entry in a queue.
type deadline struct {
	queue         *queue // nil: it is in none
	before, after *run
	due           time.Duration
	set           uint32 // counts settings, so that a timer in flight knows it is late
	timer         machine.Timer
	spared        bool // it has had one more period, since the process stood still
}

// A queue holds the deadlines of one length, the first to fall due in front.
type queue struct {
	wait        time.Duration
	front, back *run
}

// arm puts r into the queue of that length. Under the lock of l.
func (d *deadlines) arm(l *life, r *run, t machine.Timer, wait time.Duration) {
	d.disarm(r)
	q := d.latest[t]
	if q == nil || q.wait != wait {
		q = d.queue(wait)
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

// queue returns the queue of that length.
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
		if d.others == nil {
			d.others = make(map[time.Duration]*queue)
		}
		q = &queue{wait: wait}
		d.others[wait] = q
	}
	return q
}

// wake has the timer go off at that time, or before. One that is set for a deadline
// that was cleared stays: when it goes off, expire looks what is due.
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

// disarm clears the timer of r, of either kind. Under the lock of its life.
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

// An expiry is a deadline that was due: late news if the run's was set anew since.
type expiry struct {
	run   *run
	timer machine.Timer
	set   uint32
	due   time.Duration
	wait  time.Duration

	abandons bool // if the run has not returned by now
}

// expired takes from the front of the queues whatever is due, and has the timer go off
// for what stands in front then. They are in the order in which they were due.
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

// A process that was suspended, or a machine that stood still, is not a child that is
// late. An alarm that comes late by more than its slack shows it. Then everybody whose
// alarm that may be gets one more period, once: a machine that is always slow must not
// keep a child that hangs for ever.

// slack is how late an alarm may be.
func slack(wait time.Duration) time.Duration { return max(wait/4, 100*time.Millisecond) }

// spare gives all in the queue one more period from now on. Those who have had theirs
// stand in front, so the queue stays in order.
func (q *queue) spare(now time.Duration) {
	for r := q.front; r != nil; r = r.after {
		if !r.spared {
			r.due, r.spared = machine.After(now, q.wait), true
		}
	}
}

// expire is what the timer of a life's deadlines calls.
func (l *life) expire() {
	var all []expiry
	l.mu.Lock()
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

// arm sets the timer of r, in place of any other. Under the lock of its life.
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

// alarm sets a timer of the run's own, for a wait that no other shares. It calls f with
// the number of this setting. Under the lock of its life.
func (r *run) alarm(wait time.Duration, f func(set uint32)) {
	r.life.timers.disarm(r)
	set := r.set
	r.ensureRare().own = time.AfterFunc(wait, func() { f(set) })
}

// fire brings the news of a timer, unless it was set anew or cleared meanwhile.
func (l *life) fire(r *run, t machine.Timer, set uint32, stacks *dump) {
	now := l.enter()
	if r.set == set {
		if stacks != nil { // else those for an end that is on its way stay
			l.dump = stacks
		}
		l.m.Timer(r.child, r.number(), t, now)
	}
	l.leave()
}
