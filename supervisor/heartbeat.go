package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A watch is the watchdog of a run with a Heartbeat. A heartbeat only stores the time.
// The alarm checks it after three quarters of the period without a heartbeat, and again
// at the end of the period. The first check is for a process that stands still: if it
// resumes shortly before the end of the period, the run must still have time to run.
type watch struct {
	beat   time.Duration // the latest one seen
	from   time.Duration // start of the period: beat, or the end of a standstill
	due    time.Duration // of the next check
	spared bool          // the period was restarted since that heartbeat, because the process stood still
}

// watch starts the watchdog of a run that has become ready. The lock of its life must be
// held.
func (r *run) watch(allowed time.Duration) {
	now := r.life.m.Now()
	r.beat.Store(int64(now))
	r.ensureRare().watch = &watch{beat: now, from: now}
	r.lookAgain(now, allowed)
}

func (r *run) Heartbeat() { r.beat.Store(int64(r.life.now())) }

// lookAgain sets the alarm for the next check. The lock of its life must be held.
func (r *run) lookAgain(now, allowed time.Duration) {
	w := r.rare.watch
	end := machine.After(w.from, allowed)
	w.due = end
	if first := end - allowed/4; first > now {
		w.due = first
	}
	r.alarm(w.due-now, r.look)
}

// look is the check, called by the alarm.
func (r *run) look(set uint32) {
	if r.hasBeaten(set) {
		return
	}
	l := r.life
	l.fire(r, machine.BeatTimer, set, l.shared.dumps.since(lateFor(time.Now(), r.spec.Heartbeat)))
}

// hasBeaten reports whether the run does not count as hung yet; it then sets the alarm
// again.
func (r *run) hasBeaten(set uint32) bool {
	l := r.life
	l.lock()
	defer l.mu.Unlock()
	allowed := r.child.Spec.Heartbeat
	if r.set != set || allowed == 0 { // set again meanwhile, or Upgrade removed the watchdog
		return true
	}
	w, now := r.rare.watch, l.now()
	if beat := time.Duration(r.beat.Load()); beat > w.beat {
		w.beat, w.from, w.spared = beat, beat, false
	}
	if now-w.due > allowed/8 && !w.spared { // see slack: here half of the time that is left at the first check
		w.from, w.spared = now, true
	}
	if now >= machine.After(w.from, allowed) {
		return false
	}
	r.lookAgain(now, allowed)
	return true
}
