package core

import (
	"math"
	"time"
)

// Drift is the part of a term by which the clocks of two machines may differ in speed: one
// hundredth.
const Drift = 100

// Terms are the durations that a member goes by. Without a TTL a lease does not end by
// itself.
type Terms struct {
	TTL     time.Duration // asked for
	Renew   time.Duration // from one renewal to the next
	Request time.Duration // the longest time that a renewal waits for its answer
	Stop    time.Duration // the longest stop of what is guarded
	Release time.Duration // the longest time that a release waits for its answer
	Slack   time.Duration // for what is late in this process
	Yield   time.Duration // the longest time that a leader may be unready; zero: no limit
}

// Usable returns the part of a term that counts: clocks may differ in speed.
func Usable(ttl time.Duration) time.Duration { return ttl - ttl/Drift }

// Margin returns how long before the end of a lease the stop must begin.
func (t Terms) Margin() time.Duration { return add(add(t.Stop, t.Release), t.Slack) }

// Needs returns the least usable part of a term with which a lease can be kept.
func (t Terms) Needs() time.Duration { return add(add(t.Renew, t.Request), t.Margin()) }

// Fits reports whether a lease with this term can be kept.
func (t Terms) Fits(ttl time.Duration) bool { return ttl == 0 || Usable(ttl) > t.Needs() }

// rest returns how long a member that yields does not bid, if nobody else leads meanwhile.
func (t Terms) rest() time.Duration {
	if t.TTL == 0 {
		return t.Renew
	}
	return t.TTL
}

const (
	leastFailRest = time.Second // so that quick failures do not exhaust a supervisor's default Intensity
	mostFailRest  = time.Minute
)

// failRest returns how long a member does not bid after the nth failure in a row: a term,
// doubled with each further failure, up to a minute.
func (t Terms) failRest(n int) time.Duration {
	least := max(t.rest(), leastFailRest)
	rest := least
	for ; n > 1 && rest < mostFailRest; n-- {
		rest *= 2
	}
	return max(least, min(rest, mostFailRest))
}

// add adds durations that are not negative, without overflow.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
