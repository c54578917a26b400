package child

import (
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/internal/naming"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A SpecError is one fault of a spec.
type SpecError struct {
	Path    string // of the child or supervisor at fault
	Field   string // of its Spec
	Problem string // what is wrong with it
}

// Error returns all three in one line. What could do harm in a log is escaped.
func (e *SpecError) Error() string {
	switch {
	case e == nil:
		return "nil *child.SpecError"
	case e.Path == "": // a child without a name, on its own
		return oneline.Text(e.Field + ": " + e.Problem)
	}
	return oneline.Text(e.Path + ": " + e.Field + ": " + e.Problem)
}

// Validate returns all faults of the spec, as *SpecError joined by
// errors.Join, or nil. The Path in them is the child's name. A supervisor
// checks more when it gets the spec: that the name is not taken, and that it
// has an AutoShutdown if the child is Significant.
func (s Spec) Validate() error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &SpecError{Path: s.Name, Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if s.Name == "" {
		fault("Name", "empty")
	} else if problem := naming.Problem(s.Name); problem != "" {
		fault("Name", "%s", problem)
	}
	if s.Run == nil {
		fault("Run", "nil")
	}
	if !restarts.Valid(s.Restart) {
		fault("Restart", "unknown: %d", uint8(s.Restart))
	}
	if s.Significant && s.Restart == Permanent {
		fault("Significant", "a permanent child cannot be significant: it is always restarted")
	}
	if s.StopTimeout < 0 && s.StopTimeout != AtOnce {
		fault("StopTimeout", "negative: %v", s.StopTimeout)
	}
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"StartTimeout", s.StartTimeout},
		{"ResetAfter", s.ResetAfter},
		{"Heartbeat", s.Heartbeat},
	} {
		if d.value < 0 {
			fault(d.field, "negative: %v", d.value)
		}
	}
	return errors.Join(faults...)
}
