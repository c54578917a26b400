package strategy

import (
	"errors"
	"fmt"
	"time"
)

// DefaultRestarts and DefaultPeriod are the limit of the zero Intensity. They
// are Elixir's: enough for a passing fault, and a fault that stays is handed
// to the next level within milliseconds.
const (
	DefaultRestarts = 3
	DefaultPeriod   = 5 * time.Second
)

// Intensity is how many automatic restarts a supervisor permits within a
// period before it gives up. All its children share it, and a group restart
// counts once, for the child that failed.
//
// It counts only restarts of children without a backoff. A child with a backoff,
// its own or that of its supervisor, gives up by its policy: child.Backoff.Retries,
// or a NextBackOff that is negative. The zero value permits DefaultRestarts in
// DefaultPeriod.
//
// A restart that lies exactly one period back still counts, as in OTP; OTP's
// rounding to whole seconds is not imitated.
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

// AtMost permits n restarts within any period. With n zero the first failure is
// the last. Validate refuses a negative n and a period that is not positive.
func AtMost(n int, period time.Duration) Intensity {
	return Intensity{kind: limited, n: n, period: period}
}

// Unlimited permits any number of restarts. A child that fails at once, and
// has no backoff, then restarts without a pause.
func Unlimited() Intensity { return Intensity{kind: unlimited} }

// Limit returns the number of restarts permitted in a period; ok is false if
// there is no limit.
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

// Validate returns an error if the limit makes no sense.
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

// String returns the limit as "3 in 5s", or "unlimited".
func (i Intensity) String() string {
	n, period, ok := i.Limit()
	if !ok {
		return "unlimited"
	}
	return fmt.Sprintf("%d in %v", n, period)
}
