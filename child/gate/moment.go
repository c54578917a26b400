package gate

import "time"

// A Moment is a point in time that a term counts from. Take it with Now immediately before
// the request for the term is sent: from then on, and not from the answer, the engine may
// count too.
//
// The time that a machine sleeps, or a laptop is closed, counts: Go's monotonic clock
// stands still meanwhile. On Linux it is measured by CLOCK_BOOTTIME. On other systems, and
// for a virtual machine that was stopped, the wall clock tells. The wall clock may be set,
// so it is only a suspicion: the gate renews the lease at once, and stops what it guards
// unless the renewal succeeds.
type Moment struct {
	at     time.Time     // of the steady clock
	wall   time.Time     // of the wall clock
	asleep time.Duration // how long the machine had slept until then
}

// Now returns the current moment.
func Now() Moment {
	now := time.Now()
	return Moment{now, now.Round(0), asleep()}
}

// Time returns the moment as a time of the wall clock.
func (m Moment) Time() time.Time { return m.wall }

// since returns the time since another moment by the steady clock, sleep included.
func (m Moment) since(other Moment) time.Duration {
	slept := m.asleep - other.asleep
	if slept < leastSleep { // the two clocks are not read at the same instant
		slept = 0
	}
	return m.at.Sub(other.at) + slept
}

// wallSince is since by the wall clock.
func (m Moment) wallSince(other Moment) time.Duration { return m.wall.Sub(other.wall) }

const leastSleep = 100 * time.Millisecond
