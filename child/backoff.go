package child

import (
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/coppice-go/coppice/internal/jitter"
)

// A BackoffPolicy says how long to wait before the next restart. The policies
// of github.com/cenkalti/backoff, v4 and v5, are such. A policy is asked by one
// goroutine at a time. It must not block. If it panics, that counts as giving up.
type BackoffPolicy interface {
	// NextBackOff returns the pause before the next restart. Zero restarts at
	// once. A negative duration, as backoff.Stop, makes the supervisor give up.
	NextBackOff() time.Duration
	// Reset begins anew. It is called when a run was ready for ResetAfter.
	Reset()
}

// A Backoff makes the policy of a child. It is called once for each child, as a
// policy holds state, when the child first needs it. A Backoff that returns nil
// counts as one that always returns a policy of zero pauses.
//
// The supervisor's Intensity does not count the restarts of a child with a backoff,
// so the policy alone decides when they are too many: see Retries. One that never
// gives up never hands a fault to the next level; the child's trouble then shows in
// Health, Tree and the log.
type Backoff func() BackoffPolicy

// The schedule of Exponential, besides its two arguments.
const (
	exponentialFactor = 2
	exponentialJitter = 0.5
)

// Exponential returns a backoff whose pause begins at initial and doubles with
// each failure up to max, where it stays; it never gives up. Each pause is
// spread at random over half below to half above it, so that children which
// failed together do not return together, and is never longer than max:
//
//	failure  Exponential(100*time.Millisecond, 30*time.Second)
//	1        50 ms to 150 ms
//	2        100 ms to 300 ms
//	3        200 ms to 600 ms
//	9        10 s to 30 s, and so for ever
//
// An initial of less than a millisecond counts as a millisecond, since a pause
// of nothing does not grow; a max below initial counts as initial.
func Exponential(initial, max time.Duration) Backoff {
	if initial < time.Millisecond {
		initial = time.Millisecond
	}
	if max < initial {
		max = initial
	}
	// The middle of the last range, so that the spread around it ends at max: to
	// cut it off there would make every other pause the same.
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

// capped keeps rounding from going beyond the longest pause, and past the
// largest duration into the negative.
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

// RemoveJitter makes each pause the middle of its range.
func (c capped) RemoveJitter() { jitter.Remove(c.BackOff) }

// Constant returns a backoff that always waits for d and never gives up. A d of
// zero or less restarts at once, any number of times: no intensity counts the
// restarts of a child with a backoff.
func Constant(d time.Duration) Backoff {
	if d < 0 {
		d = 0
	}
	return func() BackoffPolicy { return backoff.NewConstantBackOff(d) }
}

// Retries returns a backoff that gives up after n restarts that were not
// followed by a healthy time (Spec.ResetAfter). With n zero or less the first
// failure is the last. Retries of a nil Backoff restarts n times at once.
func (b Backoff) Retries(n int) Backoff {
	return func() BackoffPolicy {
		p := &bounded{limit: n}
		if b != nil {
			p.policy = b()
		}
		return p
	}
}

// bounded is a policy that gives up after a number of pauses. It is not
// backoff.WithMaxRetries, which takes zero for no limit.
type bounded struct {
	policy       BackoffPolicy
	limit, asked int
}

func (p *bounded) NextBackOff() time.Duration {
	if p.asked >= p.limit {
		return backoff.Stop
	}
	p.asked++
	if p.policy == nil {
		return 0
	}
	return p.policy.NextBackOff()
}

func (p *bounded) Reset() {
	p.asked = 0
	if p.policy != nil {
		p.policy.Reset()
	}
}

// RemoveJitter removes that of the policy under it.
func (p *bounded) RemoveJitter() { jitter.Remove(p.policy) }
