package periodic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A Spec declares a job. Do and one of Every and Next are required.
type Spec struct {
	// Do is what the job does. Its ctx ends when the child is asked to stop, and after
	// Timeout. child.FromContext returns the Context of the child for it.
	Do func(ctx context.Context) error

	// Every is the interval from the start of one call to the start of the next.
	Every time.Duration

	// Next returns the first time after the given one at which Do must be called: the Next
	// method of a schedule. The zero Time means never again: the child is done then, see
	// child.ErrDone. A time that is not later than the given one is an error of the run.
	// Next is called with the time of the wall clock, or with a time that it has returned.
	Next func(time.Time) time.Time

	// Jitter delays each call by a random time of less than Jitter, so that many processes do
	// not all call at the same moment. It does not add up. With Every it must be less than
	// that. Zero means none.
	Jitter time.Duration

	// AtStart calls Do also at the start of each run, at once and without Jitter.
	AtStart bool

	// Timeout is the longest time that a call may take. Then its context ends, and an error
	// that is context.DeadlineExceeded says so. A call that does not return goes on, and
	// there is no other one. Zero means no limit.
	Timeout time.Duration

	// GoOn reports an error of Do by ctx.OnError and goes on, instead of failing the run.
	GoOn bool
}

// Validate returns all problems of the spec, as *child.SpecError values joined by
// errors.Join, or nil. New does not return them; Run does, before it does anything.
func (s Spec) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &child.SpecError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if s.Do == nil {
		fault("Do", "nil")
	}
	switch {
	case s.Every < 0:
		fault("Every", "negative: %v", s.Every)
	case s.Every > 0 && s.Next != nil:
		fault("Every", "set, and so is Next: choose one")
	case s.Every == 0 && s.Next == nil:
		fault("Every", "zero, and Next is nil: set one")
	}
	switch {
	case s.Jitter < 0:
		fault("Jitter", "negative: %v", s.Jitter)
	case s.Every > 0 && s.Jitter >= s.Every:
		fault("Jitter", "%v, but must be less than Every, which is %v", s.Jitter, s.Every)
	}
	if s.Timeout < 0 {
		fault("Timeout", "negative: %v", s.Timeout)
	}
	return errors.Join(faults...)
}
