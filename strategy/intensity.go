package strategy

import (
	"errors"
	"fmt"
	"time"
)

// DefaultRestarts and DefaultPeriod are the limit of the zero Intensity. They are
// Elixir's defaults: enough for a transient fault, while a permanent fault escalates to
// the next level within milliseconds.
const (
	DefaultRestarts = 3
	DefaultPeriod   = 5 * time.Second
)

// Intensity is the number of automatic restarts that a supervisor permits within a period
// before it gives up. All its children share it. A group restart counts once, for the
// child that failed. The zero value permits DefaultRestarts in DefaultPeriod.
//
// Only restarts of children without a backoff count. A child with a backoff, its own or
// that of its supervisor, gives up by its policy instead: with child.Backoff.Retries, or
// when NextBackOff returns a negative delay.
//
// A restart exactly one period ago still counts, as in OTP. The period is measured
// exactly; OTP works in whole seconds.
type Intensity struct {
	kind   uint8
	n      int
	period time.Duration
}

const (
	byDefault uint8 = iota
	limited
	unlimited
)

// AtMost permits n restarts within any period. If n is zero, the first failure makes the
// supervisor give up. Validate rejects a negative n, and a period that is zero or
// negative.
func AtMost(n int, period time.Duration) Intensity {
	return Intensity{kind: limited, n: n, period: period}
}

// Unlimited permits any number of restarts. A child without a backoff that fails
// immediately is then restarted in a tight loop.
func Unlimited() Intensity { return Intensity{kind: unlimited} }

// Limit returns the number of restarts permitted within the period. ok is false if there is
// no limit.
func (i Intensity) Limit() (n int, period time.Duration, ok bool) {
	switch i.kind {
	case limited:
		return i.n, i.period, true
	case unlimited:
		return 0, 0, false
	default:
		return DefaultRestarts, DefaultPeriod, true
	}
}

// Validate returns an error if the number of restarts is negative, or the period is not
// positive.
func (i Intensity) Validate() error {
	switch n, period, ok := i.Limit(); {
	case !ok:
		return nil
	case n < 0:
		return fmt.Errorf("negative number of restarts: %d", n)
	case period <= 0:
		return errors.New("period is not positive: " + period.String())
	}
	return nil
}

// String returns the limit, such as "3 in 5s", or "unlimited".
func (i Intensity) String() string {
	n, period, ok := i.Limit()
	if !ok {
		return "unlimited"
	}
	return fmt.Sprintf("%d in %v", n, period)
}
