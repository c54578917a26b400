package task

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A Spec declares a pool. The zero Spec is valid.
type Spec struct {
	// Limit is how many tasks run at the same time, over all callers. Zero means
	// runtime.GOMAXPROCS(0) at the time of New, which fits work that computes. Work that
	// waits for others needs a higher limit.
	Limit int

	// Timeout is how long each task may take from its start, not counting the wait for its
	// turn. Then its context ends, and the cause is an error that is
	// context.DeadlineExceeded. Zero means no limit.
	Timeout time.Duration
}

// Validate returns all problems of the spec, as *child.SpecError values joined by
// errors.Join, or nil. New does not return them; Run does, before it does anything.
func (s Spec) Validate() error {
	var faults []error
	if s.Limit < 0 {
		faults = append(faults, &child.SpecError{Field: "Limit", Problem: fmt.Sprintf("negative: %d", s.Limit)})
	}
	if s.Timeout < 0 {
		faults = append(faults, &child.SpecError{Field: "Timeout", Problem: fmt.Sprintf("negative: %v", s.Timeout)})
	}
	return errors.Join(faults...)
}

// limit returns the limit with the default filled in.
func (s Spec) limit() int {
	if s.Limit == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return s.Limit
}
