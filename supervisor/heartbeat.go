package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A watch is the watchdog of a run with a Heartbeat. A heartbeat itself only notes the
// time. The alarm looks at it when three quarters of the period have passed without
// one, and at its end. The first look is there for a process that stands still: if that
// ends shortly before the end of the period, the run must still have time to run.
type watch struct {
	beat   time.Duration // the latest that was seen
	from   time.Duration // what the period is counted from: that, or the end of a standstill
	due    time.Duration // of the next look
	spared bool          // one more period since that heartbeat, as the process stood still
}

// watch begins the watch of a run that has become ready. Under the lock of its life.
func (r *run) watch(allowed time.Duration) {
	now := r.life.m.Now()
	r.beat.Store(int64(now))
	r.ensureRare().watch = &watch{beat: now, from: now}
	r.lookAgain(now, allowed)
}

func (r *run) Heartbeat() { r.beat.Store(int64(r.life.now())) }

// lookAgain sets the alarm for the next look. Under the lock of its life.
func (r *run) lookAgain(now, allowed time.Duration) {
	w := r.rare.watch
	end := machine.After(w.from, allowed)
	w.due = end
	if first := end - allowed/4; first > now {
		w.due = first
	}
	r.alarm(w.due-now, r.look)
}

// look is called by the alarm.
func (r *run) look(set uint32) {
	if r.hasBeaten(set) {
		return
	}
	l := r.life
	l.fire(r, machine.BeatTimer, set, l.shared.dumps.since(lateFor(time.Now(), r.spec.Heartbeat)))
}

// hasBeaten reports whether it is not time yet to take the run for hung, and then sets
// the alarm again.
func (r *run) hasBeaten(set uint32) bool {
	l := r.life
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := r.child.Spec.Heartbeat
	if r.set != set || allowed == 0 { // Upgrade took the watchdog away
		return true
	}
	w, now := r.rare.watch, l.now()
	if beat := time.Duration(r.beat.Load()); beat > w.beat {
		w.beat, w.from, w.spared = beat, beat, false
	}
	if now-w.due > allowed/8 && !w.spared { // see slack: here half of what is left at the first look
		w.from, w.spared = now, true
	}
	if now >= machine.After(w.from, allowed) {
		return false
	}
	r.lookAgain(now, allowed)
	return true
}
