package child

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/internal/jitter"
)

// A BackoffPolicy determines the delay before the next restart. The policies of
// github.com/cenkalti/backoff (v4 and v5) implement it. A policy is used by one
// goroutine at a time. It must not block. A panic counts as giving up.
type BackoffPolicy interface {
	// NextBackOff returns the delay before the next restart. Zero restarts
	// immediately. A negative delay, such as backoff.Stop, makes the supervisor give
	// up.
	NextBackOff() time.Duration
	// Reset starts over. It is called before NextBackOff if the run before was ready
	// for Spec.ResetAfter.
	Reset()
}

// A Backoff makes the policy of a child. It is called once per child, when the child
// first needs a delay, because a policy holds state; and by supervisor.Forecast and Explain, which
// uses the policy to see the delays. If it returns nil, all delays are zero.
//
// The supervisor's Intensity does not count the restarts of a child with a backoff. Only
// the policy decides when there have been too many: see Retries. A policy that never
// gives up never escalates; the trouble of the child then shows in Health, Tree and the
// log.
type Backoff func() BackoffPolicy

// Parameters of Exponential, besides its two arguments.
const (
	exponentialFactor = 2
	exponentialJitter = 0.5
)

// Exponential returns a backoff whose delay starts at initial and doubles with each
// failure, up to max. It never gives up. Each delay is random, from half below to half
// above its nominal value, so that children which failed together do not come back
// together. No delay is longer than max:
//
//	failure  Exponential(100*time.Millisecond, 30*time.Second)
//	1        50 ms to 150 ms
//	2        100 ms to 300 ms
//	3        200 ms to 600 ms
//	9        10 s to 30 s, and so on forever
//
// An initial of less than a millisecond counts as a millisecond, since a delay of zero
// would not grow. A max below initial counts as initial.
func Exponential(initial, max time.Duration) Backoff {
	if initial < time.Millisecond {
		initial = time.Millisecond
	}
	if max < initial {
		max = initial
	}
	// The middle of the last range, so that the jitter around it ends at max. If the
	// delays were cut off at max instead, half of them would be equal.
	middle := time.Duration(float64(max) / (1 + exponentialJitter))
	return func() BackoffPolicy {
		return capped{max: max, BackOff: backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(min(initial, middle)),
			backoff.WithMaxInterval(middle),
			backoff.WithMultiplier(exponentialFactor),
			backoff.WithRandomizationFactor(exponentialJitter),
			backoff.WithMaxElapsedTime(0),
		)}
	}
}

// capped keeps rounding from exceeding the longest delay, and from overflowing to a
// negative one.
type capped struct {
	backoff.BackOff
	max time.Duration
}

func (c capped) NextBackOff() time.Duration {
	d := c.BackOff.NextBackOff()
	if d > c.max || d < 0 {
		return c.max
	}
	return d
}

// RemoveJitter makes each delay the middle of its range.
func (c capped) RemoveJitter() { jitter.Remove(c.BackOff) }

// JitterFactor returns by which part of it a delay varies.
func (c capped) JitterFactor() float64 { return jitter.Factor(c.BackOff) }

// Constant returns a backoff that always waits for d and never gives up. If d is zero or
// negative, the child is restarted immediately, any number of times: Intensity does not
// count the restarts of a child with a backoff.
func Constant(d time.Duration) Backoff {
	if d < 0 {
		d = 0
	}
	return func() BackoffPolicy { return backoff.NewConstantBackOff(d) }
}

// Retries returns a backoff with the delays of b that gives up after n restarts. The
// count starts over after a healthy run of Spec.ResetAfter. If n <= 0, the first failure
// gives up. Retries of a nil Backoff restarts n times without a delay.
//
// It is the supervisor that gives up: it stops all its children, its parent restarts it,
// and children that were added with StartChild are gone. To give up a single child, such
// as one job of a pool, report the error and return ErrDone from its Run: it ends for
// good, and its siblings continue.
//
//	if ctx.Restarts() >= 5 {
//		ctx.OnError(err)
//		return child.ErrDone
//	}
//	return err
func (b Backoff) Retries(n int) Backoff {
	return func() BackoffPolicy {
		p := &bounded{limit: n}
		if b != nil {
			p.policy = b()
		}
		return p
	}
}

// bounded is a policy that gives up after a number of delays. It replaces
// backoff.WithMaxRetries, for which zero means no limit.
type bounded struct {
	policy      BackoffPolicy
	limit, used int
}

func (p *bounded) NextBackOff() time.Duration {
	if p.used >= p.limit {
		return backoff.Stop
	}
	p.used++
	if p.policy == nil {
		return 0
	}
	return p.policy.NextBackOff()
}

func (p *bounded) Reset() {
	p.used = 0
	if p.policy != nil {
		p.policy.Reset()
	}
}

// RemoveJitter removes the jitter of the wrapped policy.
func (p *bounded) RemoveJitter() { jitter.Remove(p.policy) }

// JitterFactor returns that of the wrapped policy.
func (p *bounded) JitterFactor() float64 { return jitter.Factor(p.policy) }
