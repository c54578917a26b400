package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// deadlines are the timers of a life whose lengths few children differ in: start
// timeouts, stop timeouts, slow starts. Those of one length fall due in the order
// in which they were set, so a queue with one timer, for the first, serves them
// all: setting and clearing costs no timer, also for a hundred thousand children
// that are asked to stop at once.
type deadlines struct {
	queues map[time.Duration]*queue
	latest [machine.StopTimer + 1]*queue // that each kind of timer was put into last: mostly the next, too
}

// A deadline is a run's entry in a queue.
type deadline struct {
	queue         *queue // nil: it is in none
	before, after *run
	due           time.Duration
	set           uint32 // counts settings, so that a timer in flight knows it is late
	timer         machine.Timer
}

// A queue holds the deadlines of one length, the first to fall due in front.
type queue struct {
	wait        time.Duration
	front, back *run
	timer       *time.Timer
}

// arm sets the timer of r, in place of any other. Under the lock of l.
func (d *deadlines) arm(l *life, r *run, t machine.Timer, wait time.Duration) {
	d.disarm(r)
	q := d.latest[t]
	if q == nil || q.wait != wait {
		q = d.queue(wait)
		d.latest[t] = q
	}
	r.queue, r.timer, r.due = q, t, l.m.Now()+wait
	r.before, r.after = q.back, nil
	if q.back != nil {
		q.back.after = r
	} else {
		q.front = r
	}
	q.back = r
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, func() { l.expire(q) })
	}
}

// queue returns the queue of that length.
func (d *deadlines) queue(wait time.Duration) *queue {
	q := d.queues[wait]
	if q == nil {
		if d.queues == nil {
			d.queues = make(map[time.Duration]*queue)
		}
		q = &queue{wait: wait}
		d.queues[wait] = q
	}
	return q
}

// disarm clears the timer of r, of either kind. Under the lock of its life. The
// queue's own timer stays: when it goes off it looks who is in front.
func (d *deadlines) disarm(r *run) {
	r.set++
	if own := r.has().own; own != nil {
		own.Stop()
		r.few.own = nil
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

// stop clears all timers, at the end of a life.
func (d *deadlines) stop() {
	for _, q := range d.queues {
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	d.queues = nil
	clear(d.latest[:])
}

// forget lets go of a queue that is empty, and has no timer any more.
func (d *deadlines) forget(q *queue) {
	delete(d.queues, q.wait)
	for t, latest := range d.latest {
		if latest == q {
			d.latest[t] = nil
		}
	}
}

// expire takes from the queue what is due, and sets its timer for the next.
func (l *life) expire(q *queue) {
	type entry struct {
		run *run
		t   machine.Timer
		set uint32
	}
	var due []entry
	stuck := false
	l.mu.Lock()
	now := l.now()
	for r := q.front; r != nil && r.due <= now; r = q.front {
		l.timers.disarm(r)
		due = append(due, entry{r, r.timer, r.set})
		stuck = stuck || r.timer == machine.StopTimer
	}
	switch {
	case l.isOver():
	case q.front != nil:
		q.timer.Reset(q.front.due - now)
	default:
		q.timer = nil
		l.timers.forget(q)
	}
	l.mu.Unlock()
	var dump []byte
	if stuck {
		dump = allStacks()
	}
	for _, e := range due {
		l.fire(e.run, e.t, e.set, dump)
	}
}

// alarm sets a timer of the run's own, for a wait that no other shares. Under
// the lock of its life.
func (r *run) alarm(t machine.Timer, wait time.Duration) {
	l := r.life
	l.timers.disarm(r)
	set := r.set
	r.get().own = time.AfterFunc(wait, func() {
		if t == machine.BeatTimer && r.hasBeaten(set) {
			return
		}
		l.fire(r, t, set, nil)
	})
}

// hasBeaten reports whether there was a heartbeat within the time allowed, and
// then sets the alarm for the next.
func (r *run) hasBeaten(set uint32) bool {
	l := r.life
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := r.child.Spec.Heartbeat
	if r.set != set || allowed == 0 { // Upgrade took the watchdog away
		return true
	}
	left := time.Duration(r.beat.Load()) + allowed - l.now()
	if left <= 0 {
		return false
	}
	r.alarm(machine.BeatTimer, left)
	return true
}

// fire brings the news of a timer, unless it was set anew or cleared meanwhile.
func (l *life) fire(r *run, t machine.Timer, set uint32, dump []byte) {
	if t == machine.BeatTimer {
		dump = allStacks() // to show where it hangs
	}
	var s step
	l.mu.Lock()
	if r.set == set {
		l.dump = dump
		l.perform(&s, l.m.Timer(r.child, r.number, t, l.now()))
		l.dump = nil
	}
	l.mu.Unlock()
	l.settle(&s)
}
