package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/naming"
	"github.com/coppice-go/coppice/strategy"
)

// A Spec declares a supervisor. The zero Spec is a valid supervisor without
// children.
type Spec struct {
	// Name is the first part of every path, if this supervisor is the root.
	// Empty is "root". A nested supervisor goes by the name of its child. Upgrade does
	// not change the Name of a root that runs.
	Name string

	// Strategy says who is restarted with a child that failed. Zero is OneForOne.
	Strategy strategy.Strategy

	// Intensity says how many restarts are permitted before the supervisor gives
	// up: strategy.AtMost, strategy.Unlimited. It counts only restarts of children
	// without a backoff; a child with one gives up by its policy. Zero is 3 in 5 s.
	// AtMost beside Backoff is a fault, since it would never count anything.
	Intensity strategy.Intensity

	// Backoff is the pause before a restart, for children that set none. Each gets
	// a policy of its own. With a Backoff the supervisor gives up only when a policy
	// does (child.Backoff.Retries) or a child escalates: a child.Exponential without
	// Retries never does, and then trouble shows in Health, Tree and the log alone.
	// Nil is none: restart at once, as many times as Intensity permits.
	Backoff child.Backoff

	// AutoShutdown says whether the supervisor ends when its significant
	// children have. Zero is Never.
	AutoShutdown strategy.AutoShutdown

	// Children are started in this order, each when the one before is ready. An
	// Independent supervisor starts them side by side.
	Children []child.Spec

	// MaxChildren is the most children it may have, declared and dynamic ones,
	// also those that are stopped or wait for a restart. Zero is no limit.
	MaxChildren int

	// StopTimeout is the time for the whole stop. Children stop in order within
	// it; when nine tenths are over all that are left are asked at once, and at
	// its end what has not returned is abandoned. A type around a supervisor has
	// one second more, to return when that has. A child's Grace goes by the child's
	// own timeout alone, so let those add up to less. Zero and child.Forever are no
	// limit: each child still has its own. In a Kubernetes pod set it to less than
	// terminationGracePeriodSeconds, which is 30 s by default.
	StopTimeout time.Duration

	// PassPanics lets a panic in a child crash the process at once, here and in
	// all supervisors below, instead of making it a failure. OTP has no such thing;
	// Go programs that trust no state after a panic want it.
	PassPanics bool

	// Logger gets a line for each event, at these levels:
	//
	//	error  a child failed, and what follows: "restart 3 in 200ms"; it missed its
	//	       heartbeat; a run was abandoned; a supervisor gave up
	//	warn   OnError, Unready (the first in a row), a slow start, an error returned
	//	       while being stopped, the late return of an abandoned run, a child that
	//	       returns nil and is restarted again and again, one that a cancelled group
	//	       restart leaves stopped
	//	info   the tree is up, with the number of children; a child is ready again,
	//	       and how long it was not; the tree stops, and has stopped
	//	debug  all other starts and stops, also those of nested supervisors and of
	//	       children with child.AtOnce
	//
	// Whether a level is enabled is asked at the start, and again after each line.
	// Nil is the parent's; at the root it is slog.Default(). For silence use
	// slog.New(slog.DiscardHandler).
	Logger *slog.Logger

	// Around, if set, is called in place of the Run of each child, here and in
	// all supervisors below, with that Run; it is to call it and to return what
	// the run shall end with. For what concerns every run alike: pprof labels, a
	// trace span, a fault that a test puts in. That of an outer supervisor comes
	// first. What it gives to run must be its ctx, or child.FromContext of one that
	// is derived from that. It is part of the run: what it starts must end with it,
	// and its panic is the run's.
	Around func(ctx child.Context, run func(child.Context) error) error
}

// defaultName is the name of a root that has none.
const defaultName = "root"

// Validate returns all faults of the spec and of its children, as
// *child.SpecError joined by errors.Join, or nil. New does not fail: a fault is
// the error of Serve, Start, Run and StartChild.
func (s Spec) Validate() error { return s.validate("/" + s.name()) }

// validate is Validate for a supervisor at path.
func (s Spec) validate(path string) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &child.SpecError{Path: path, Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if problem := naming.Problem(s.name()); problem != "" {
		fault("Name", "%s", problem)
	}
	if s.Strategy > strategy.Independent {
		fault("Strategy", "unknown: %d", uint8(s.Strategy))
	}
	if err := s.Intensity.Validate(); err != nil {
		fault("Intensity", "%v", err)
	} else if s.Backoff != nil && s.limitsRestarts() {
		fault("Intensity", "counts only restarts without a backoff, and Backoff gives every child one: use Backoff.Retries")
	}
	if s.AutoShutdown > strategy.AllSignificant {
		fault("AutoShutdown", "unknown: %d", uint8(s.AutoShutdown))
	}
	if s.MaxChildren < 0 {
		fault("MaxChildren", "negative: %d", s.MaxChildren)
	} else if s.MaxChildren > 0 && len(s.Children) > s.MaxChildren {
		fault("Children", "%d, and MaxChildren is %d", len(s.Children), s.MaxChildren)
	}
	if s.StopTimeout < 0 {
		fault("StopTimeout", "negative: %v", s.StopTimeout)
	}
	return errors.Join(append(faults, s.childFaults(path, s.Children)...)...)
}

// config is what of the spec the machine needs.
func (s Spec) config() machine.Config {
	return machine.Config{
		Strategy:     s.Strategy,
		Intensity:    s.Intensity,
		AutoShutdown: s.AutoShutdown,
		MaxChildren:  s.MaxChildren,
		Backoff:      s.Backoff != nil,
	}
}

// limitsRestarts reports whether Intensity was set to a limit.
func (s *Spec) limitsRestarts() bool {
	_, _, limited := s.Intensity.Limit()
	return limited && s.Intensity != strategy.Intensity{}
}

func (s Spec) name() string {
	if s.Name == "" {
		return defaultName
	}
	return s.Name
}

// childFaults returns the faults of specs as children of a supervisor with
// the spec s at path.
func (s *Spec) childFaults(path string, specs []child.Spec) (faults []error) {
	var seen map[string]bool
	if len(specs) > 1 {
		seen = make(map[string]bool, len(specs))
	}
	for i := range specs {
		c := &specs[i]
		fault := func(field, problem string) {
			at := path + "/" + c.Name
			if c.Name == "" {
				at = fmt.Sprintf("%s/[%d]", path, i)
			}
			faults = append(faults, &child.SpecError{Path: at, Field: field, Problem: problem})
		}
		if joined, ok := c.Validate().(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				var own *child.SpecError
				if errors.As(err, &own) {
					fault(own.Field, own.Problem)
				}
			}
		}
		if c.Significant && s.AutoShutdown == strategy.Never {
			fault("Significant", "the supervisor's AutoShutdown is Never")
		}
		if c.Name != "" && seen[c.Name] {
			fault("Name", "taken by another child")
		}
		if seen != nil {
			seen[c.Name] = true
		}
	}
	return faults
}
