package child

import (
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/internal/naming"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A SpecError describes an invalid field of a spec.
type SpecError struct {
	Path    string // of the child or supervisor that the spec declares
	Field   string // the name of the invalid field
	Problem string // what is wrong with its value
}

// Error returns path, field and problem in one line. Characters that are unsafe in a log
// are escaped.
func (e *SpecError) Error() string {
	switch {
	case e == nil:
		return "nil *child.SpecError"
	case e.Path == "": // Validate of a child without a name
		return oneline.Text(e.Field + ": " + e.Problem)
	}
	return oneline.Text(e.Path + ": " + e.Field + ": " + e.Problem)
}

// Validate returns nil if the spec is valid. Otherwise it returns a *SpecError for each
// problem, all joined by errors.Join. Their Path is the name of the child. A supervisor
// checks more when it receives the spec: that no other child has the name, that the
// supervisor has an AutoShutdown if the child is Significant, and Needs and After.
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
	for _, edges := range []struct {
		field string
		names []string
	}{{"Needs", s.Needs}, {"After", s.After}} {
		for _, name := range edges.names {
			if problem := naming.Problem(name); name == "" {
				fault(edges.field, "an empty name")
			} else if problem != "" {
				fault(edges.field, "%s", problem)
			} else if name == s.Name {
				fault(edges.field, "itself")
			}
		}
	}
	return errors.Join(faults...)
}
