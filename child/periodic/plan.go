package periodic

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A plan says when the next call in turn is due.
type plan interface {
	// begin plans the first call.
	begin() error

	// wait returns how long to wait until the call is due, or until wait must be asked again.
	// Zero or less means now. If the clock was set back, wait may plan another call, or none.
	wait() (time.Duration, error)

	// advance plans the next call, after the planned one or another one is over. It returns
	// how many times have passed without a call, and the first of them.
	advance(called bool) (missed int64, since time.Time, err error)

	// next returns when the call is due; the zero Time if there is none.
	next() time.Time
}

// jittered returns a random time of less than jitter.
func jittered(jitter time.Duration) time.Duration {
	if jitter <= 0 {
		return 0
	}
	return rand.N(jitter)
}

// interval is the plan of Spec.Every. It goes by the monotonic clock, which time.Now has.
type interval struct {
	every, jitter time.Duration

	start time.Time
	turn  time.Duration // of the call that is planned, since the start
	delay time.Duration // its jitter
}

func (p *interval) begin() error {
	p.start = time.Now()
	p.set(p.every)
	return nil
}

func (p *interval) set(turn time.Duration) { p.turn, p.delay = turn, jittered(p.jitter) }

func (p *interval) next() time.Time { return p.start.Add(p.turn).Add(p.delay) }

func (p *interval) wait() (time.Duration, error) { return time.Until(p.next()), nil }

// advance counts a turn as missed if its time plus all jitter has passed.
func (p *interval) advance(called bool) (missed int64, since time.Time, err error) {
	before := p.turn // the turn before those that may have been missed
	if !called {
		before -= p.every
	}
	if late := time.Since(p.start.Add(before)) - p.jitter; late > 0 {
		missed = int64((late - 1) / p.every)
	}
	if !called && missed == 0 {
		return 0, since, nil
	}
	p.set(clampedSum(before, clampedProduct(missed+1, p.every)))
	return missed, p.start.Add(before + p.every), nil
}

// farAway is a time that never comes: about 292 years.
const farAway = time.Duration(1<<63 - 1)

func clampedSum(a, b time.Duration) time.Duration {
	if a > farAway-b {
		return farAway
	}
	return a + b
}

func clampedProduct(n int64, d time.Duration) time.Duration {
	if d > farAway/time.Duration(n) {
		return farAway
	}
	return time.Duration(n) * d
}

// calendar is the plan of Spec.Next. It goes by the wall clock.
type calendar struct {
	schedule func(time.Time) time.Time
	jitter   time.Duration
	clock    func() time.Time

	at    time.Time // of the call that is planned; zero: never
	delay time.Duration
	seen  time.Time // the wall clock when it was last looked at
	since time.Time // the monotonic clock at the same moment
}

const (
	// lookEvery is how often the wall clock is looked at: a timer goes by the monotonic clock.
	lookEvery = 10 * time.Second

	// turnedBack is the step back of the clock from which on the new time counts. A smaller
	// one, which a clock that is kept in step makes, must not bring a time twice.
	turnedBack = time.Hour

	// mostMissed bounds how many missed times are counted one by one.
	mostMissed = 1000
)

// now returns the wall clock, without a monotonic reading: a difference must not use that.
func (p *calendar) now() time.Time { return p.clock().Round(0) }

func (p *calendar) begin() error {
	p.look(p.now())
	return p.set(p.seen)
}

func (p *calendar) look(now time.Time) { p.seen, p.since = now, time.Now() }

// set plans the first call after a time.
func (p *calendar) set(after time.Time) (err error) {
	p.at, err = p.following(after)
	p.delay = jittered(p.jitter)
	return err
}

func (p *calendar) following(after time.Time) (time.Time, error) {
	at := p.schedule(after).Round(0)
	if !at.IsZero() && !at.After(after) {
		return at, fmt.Errorf("periodic: Spec.Next returned %s for %s: it must return a later time, or the zero Time", stamp(at), stamp(after))
	}
	return at, nil
}

func (p *calendar) next() time.Time {
	if p.at.IsZero() {
		return p.at
	}
	return p.at.Add(p.delay)
}

func (p *calendar) wait() (time.Duration, error) {
	now := p.now()
	if step := now.Sub(p.seen) - time.Since(p.since); step < -turnedBack {
		if err := p.set(now); err != nil {
			return 0, err
		}
	}
	p.look(now)
	return min(p.next().Sub(now), lookEvery), nil
}

// advance counts a time as missed if it has passed, with all jitter.
func (p *calendar) advance(called bool) (missed int64, since time.Time, err error) {
	now := p.now()
	if p.at.IsZero() {
		return 0, since, nil
	}
	if called {
		if now.Before(p.at.Add(-turnedBack)) {
			return 0, since, p.set(now)
		}
		err = p.set(p.at)
	}
	for since = p.at; err == nil && !p.at.IsZero() && p.at.Add(p.jitter).Before(now); missed++ {
		if missed == mostMissed {
			return missed, since, p.set(now)
		}
		err = p.set(p.at)
	}
	return missed, since, err
}
