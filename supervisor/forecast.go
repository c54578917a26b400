package supervisor

import (
	"math"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/rules"
)

// A Forecast says what follows if a child fails again each time as soon as it is ready.
type Forecast struct {
	// Left is the number of automatic restarts before the failure with which the
	// supervisor of the child gives up. It is -1 if the supervisor does not give up
	// within ten thousand restarts; with a Backoff, those since it started over count too.
	Left int

	// GivesUp is when the supervisor of the child gives up, with delays without jitter.
	// It is zero if it does not, or not within a century.
	GivesUp time.Time

	// Ends is when the root gives up, because each supervisor on the way is restarted
	// and gives up again until the one above it does. It is zero if that does not
	// happen, or not within a century.
	Ends time.Time
}

// Forecast returns what follows if the child at path keeps failing: from now on if it runs,
// or from its next start on if it waits for that. It follows the rules of the supervisors
// on the way to the root, and counts the restarts and delays so far. A path is a name, a
// path from this supervisor, or a full path. Forecast reports false if there is no such
// child, if the child neither runs nor waits for a restart, or if the supervisor is not
// running.
//
// Under Graph, Forecast does not count the time that a child waits for those that it needs
// to be ready, or for those that need it to stop: it assumes that they take none.
//
// Forecast calls the Backoff of the child, and those of the supervisors on the way, to see
// their delays. A policy that gives up after some time, not after a number of delays, seems
// never to give up.
func (s *Supervisor) Forecast(path string) (Forecast, bool) {
	none := Forecast{Left: -1}
	l, name, err := s.resolve(path)
	if err != nil {
		return none, false
	}
	o := l.outlook(name)
	if o == nil {
		return none, false
	}
	now := time.Now()
	at := func(d time.Duration) time.Time {
		if d > century {
			return time.Time{}
		}
		return now.Add(d)
	}
	first, fresh := o.giveUp(o.wait, 0)
	f := Forecast{Left: first.restarts, GivesUp: at(first.after)}
	for l.parent != nil && first.after <= century {
		if o = l.parent.life.outlook(l.parent.spec.Name); o == nil || o.restart != child.Permanent {
			return f, true // it ends here: a supervisor that gave up is only restarted if it is Permanent
		}
		first, fresh = o.giveUp(first.after, fresh.after)
		l = l.parent.life
	}
	f.Ends = at(first.after)
	return f, true
}

const (
	century = 100 * 365 * 24 * time.Hour
	never   = time.Duration(math.MaxInt64)
)

// An outlook is what decides how often a child may still fail.
type outlook struct {
	restart    child.Restart
	wait       time.Duration // until its next start
	backoff    child.Backoff // nil: the window counts
	used       int           // delays so far
	ready      bool          // it is ready, and has been for up
	up         time.Duration
	resetAfter time.Duration
	window     rules.Window
	now        time.Duration
	most       int // number of restarts after which the supervisor counts as one that does not give up
}

// outlook returns the outlook of the child with that name, or nil if it neither runs nor
// waits for a restart.
func (l *life) outlook(name string) *outlook {
	l.lock()
	defer l.mu.Unlock()
	c := l.m.Child(name)
	if c == nil || !c.State().Alive() && c.State() != child.Waiting || l.m.Phase() >= machine.Closing {
		return nil
	}
	o := &outlook{restart: c.Spec.Restart, backoff: c.Spec.Backoff, resetAfter: c.ResetAfter(), now: l.now(), window: l.m.Window(l.now()), most: mostRestarts}
	if o.backoff == nil {
		o.backoff = l.spec.Backoff
	}
	if b := runOfChild(c).rareFields().backoff; b != nil {
		o.used = int(b.used.Load())
	}
	if r := runOfChild(c); c.State() == child.Running {
		o.ready, o.up = true, o.now-c.Since-r.timeUnready(o.now)
	}
	if next := c.Failures().NextStart; next > o.now {
		o.wait = next - o.now
	}
	return o
}

// A bound is when a supervisor gives up, and after how many restarts of the child.
type bound struct {
	after    time.Duration
	restarts int // -1: it does not give up
}

var noBound = bound{never, -1}

// mostRestarts is the number of restarts that Forecast looks ahead.
const mostRestarts = 10_000

// giveUp returns when the supervisor gives up if the child fails after that time, and after
// each restart again once it has run for as long as runs. The second result is the same
// for a supervisor that has just started.
func (o *outlook) giveUp(first, runs time.Duration) (now, fresh bound) {
	switch {
	case o.restart == child.Temporary, first > century:
		return noBound, noBound
	case o.backoff == nil:
		now = o.boundOf(&o.window, o.now, first, runs)
		w := rules.NewWindow(o.window.Limit())
		return now, o.boundOf(&w, 0, runs, runs)
	}
	used := o.used
	if o.ready && machine.After(first, o.up) >= o.resetAfter { // its backoff starts over
		used = 0
	}
	return o.delays(used, first, runs), o.delays(0, runs, runs)
}

// boundOf counts restarts without a delay.
func (o *outlook) boundOf(w *rules.Window, now, first, runs time.Duration) bound {
	at := first
	for n := range o.most {
		if !w.Add(now + at) {
			return bound{at, n}
		}
		if at = machine.After(at, runs); at > century {
			break
		}
	}
	return noBound
}

// delays adds up the delays of a new policy, after as many as were used.
func (o *outlook) delays(used int, first, runs time.Duration) (b bound) {
	if used >= o.most {
		return noBound
	}
	defer func() {
		if recover() != nil {
			b = bound{first, 0} // a policy that panics gives up
		}
	}()
	policy := o.backoff()
	if policy == nil {
		return noBound
	}
	jitter.Remove(policy)
	for range used {
		policy.NextBackOff()
	}
	at := first
	for n := range o.most {
		d := policy.NextBackOff()
		if d < 0 {
			return bound{at, n}
		}
		if runs >= o.resetAfter { // it starts over each time
			break
		}
		if at = machine.After(at, machine.After(d, runs)); at > century {
			break
		}
	}
	return noBound
}
