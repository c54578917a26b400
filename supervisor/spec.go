package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/naming"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/strategy"
)

// A Spec declares a supervisor. The zero Spec is a valid supervisor without children.
type Spec struct {
	// Name is the first part of every path if this supervisor is the root. Empty means
	// "root". A nested supervisor takes the name of its child instead. Upgrade cannot
	// change the Name of a running root.
	Name string

	// Strategy selects the children that are restarted together with a failed one. Zero
	// is OneForOne.
	Strategy strategy.Strategy

	// Intensity limits the restarts in a period; beyond the limit the supervisor gives
	// up. See strategy.AtMost and strategy.Unlimited. It counts only restarts of children
	// without a backoff; a child with a backoff gives up by its policy. Zero is 3
	// restarts in 5 s. AtMost together with Backoff is invalid, because it would never
	// count anything.
	Intensity strategy.Intensity

	// Backoff is the delay before a restart, for children that do not set their own. Each
	// child gets its own policy. With a Backoff the supervisor gives up only when a
	// policy does (child.Backoff.Retries) or a child escalates. A child.Exponential
	// without Retries never gives up, so failures show only in Health, Tree and the log.
	// Nil means no backoff: restarts are immediate, up to the limit of Intensity. A nested
	// supervisor does not take over the Backoff of its parent: set its own.
	Backoff child.Backoff

	// AutoShutdown selects whether the supervisor ends when its significant children have
	// ended. Zero is Never.
	AutoShutdown strategy.AutoShutdown

	// Children are started in this order; each starts when the one before it is ready. An
	// Independent supervisor starts them concurrently. A Graph supervisor starts each when
	// those that it Needs and comes After are ready, whatever their order here.
	Children []child.Spec

	// MaxChildren limits the number of children, declared and added. Stopped children and
	// those that wait for a restart count too. Zero means no limit.
	MaxChildren int

	// StopTimeout bounds the whole stop. Children stop in order within it. After nine
	// tenths of it all remaining children are asked to stop at once, and at its end the
	// runs that have not returned are abandoned. A Run that wraps a supervisor gets one
	// more second to return after the supervisor has.
	//
	// A child's Grace depends only on the child's own timeout, so the sum of those should
	// be less than StopTimeout. Zero and child.Forever mean no limit for the whole stop;
	// the timeout of each child still applies. In a Kubernetes pod, set StopTimeout below
	// terminationGracePeriodSeconds, which is 30 s by default.
	StopTimeout time.Duration

	// Drain is how long the root keeps running after its stop was requested, before it
	// stops its children: for load balancers that still send requests. Meanwhile children
	// run, are restarted and can be requested as before, and Health returns an error that
	// is ErrDraining. StopTimeout begins after it. The end of the ctx of Stop ends the
	// drain only. Upgrade does not change a drain that has begun. There is no drain while
	// the root starts, after it gave up or shut down by itself, and for a nested
	// supervisor. Zero means none.
	Drain time.Duration

	// PassPanics lets a panic in a child crash the process at once, in this supervisor
	// and all below it. By default a panic is a failure of the child. Use it if the state
	// of the process cannot be trusted after a panic. OTP has no equivalent.
	PassPanics bool

	// Logger receives a line for each event, at these levels:
	//
	//	error  a child failed, and what follows: "restart 3 in 200ms"; it missed its
	//	       heartbeat; a run was abandoned; a supervisor gave up
	//	warn   OnError, Unready (the first in a row), a slow start, an error returned
	//	       while being stopped, the late return of an abandoned run, a child that
	//	       returns nil and is restarted again and again, one that stays stopped because
	//	       the restart of its group was cancelled or what it needs was stopped
	//	info   the tree is up, with the number of children; a child is ready again,
	//	       and how long it was not; the tree drains, is closing, and is over;
	//	       Suspend and Resume; what an operator requested (see WithRequest)
	//	debug  all other starts and stops, also those of nested supervisors and of
	//	       children with child.AtOnce
	//
	// The supervisor asks the handler whether a level is enabled at the start, and again
	// after each line. Nil means the parent's Logger; at the root, slog.Default(). For
	// silence use slog.New(slog.DiscardHandler).
	Logger *slog.Logger

	// Around, if set, is called instead of the Run of each child, in this supervisor and
	// all below it, with that Run as an argument. It must call run and return the error
	// that the run should end with. Use it for anything that concerns every run: pprof
	// labels, trace spans, faults injected by a test.
	//
	// The Around of an outer supervisor is called first. The ctx that it passes to run
	// must be its own ctx, or child.FromContext of a context derived from it. Around is
	// part of the run: goroutines that it starts must end with the run, and its panic is
	// a panic of the run.
	Around func(ctx child.Context, run func(child.Context) error) error
}

// defaultName is the name of a root without a Name.
const defaultName = "root"

// Validate returns all problems of the spec and of its children, as *child.SpecError
// values joined by errors.Join, or nil. New does not return them; Serve, Start, Run and
// StartChild do.
func (s Spec) Validate() error { return s.validate("/" + s.name()) }

// validate is Validate for a supervisor at path.
func (s Spec) validate(path string) error {
	_, err := s.check(path)
	return err
}

// check is validate that also returns the edges of the children.
func (s Spec) check(path string) (rules.Links, error) {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, &child.SpecError{Path: path, Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if problem := naming.Problem(s.name()); problem != "" {
		fault("Name", "%s", problem)
	}
	if s.Strategy > strategy.Graph {
		fault("Strategy", "unknown: %d", uint8(s.Strategy))
	}
	if err := s.Intensity.Validate(); err != nil {
		fault("Intensity", "%v", err)
	} else if s.Backoff != nil && s.limitsRestarts() {
		fault("Intensity", "counts only restarts without a backoff, but Backoff gives every child one; use Backoff.Retries instead")
	}
	if s.AutoShutdown > strategy.AllSignificant {
		fault("AutoShutdown", "unknown: %d", uint8(s.AutoShutdown))
	}
	if s.MaxChildren < 0 {
		fault("MaxChildren", "negative: %d", s.MaxChildren)
	} else if s.MaxChildren > 0 && len(s.Children) > s.MaxChildren {
		fault("Children", "%d, but MaxChildren is %d", len(s.Children), s.MaxChildren)
	}
	if s.StopTimeout < 0 {
		fault("StopTimeout", "negative: %v", s.StopTimeout)
	}
	if s.Drain < 0 {
		fault("Drain", "negative: %v", s.Drain)
	}
	faults = append(faults, s.childFaults(path, s.Children)...)
	links, more := s.edgeFaults(path, s.Children, true)
	return links, errors.Join(append(faults, more...)...)
}

// config returns the part of the spec that the machine needs. runs is the number of the
// latest run of the tree.
func (s Spec) config(runs *atomic.Uint64) machine.Config {
	return machine.Config{
		Runs:         runs,
		Strategy:     s.Strategy,
		Intensity:    s.Intensity,
		AutoShutdown: s.AutoShutdown,
		MaxChildren:  s.MaxChildren,
		Backoff:      s.Backoff != nil,
	}
}

// limitsRestarts reports whether Intensity was set explicitly to a limit.
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

// childFaults returns the problems of specs as children of a supervisor at path that is
// declared by s.
func (s *Spec) childFaults(path string, specs []child.Spec) (faults []error) {
	taken := namesOf(specs)
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
			fault("Significant", "the supervisor's AutoShutdown is Never; set it to AnySignificant or AllSignificant")
		}
		if c.Name != "" && taken.before(i) {
			fault("Name", "already in use by another child")
		}
	}
	return faults
}

// specNames finds names that two specs have.
type specNames struct {
	specs []child.Spec
	first map[string]int // the first spec of each name; nil if they are few
}

// mostCompared is the number of specs up to which names are compared with each other: for a
// few that is cheaper than a map.
const mostCompared = 16

func namesOf(specs []child.Spec) specNames {
	n := specNames{specs: specs}
	if len(specs) > mostCompared {
		n.first = make(map[string]int, len(specs))
		for i := range specs {
			if _, taken := n.first[specs[i].Name]; !taken {
				n.first[specs[i].Name] = i
			}
		}
	}
	return n
}

// before reports whether a spec before number i has the same name.
func (n specNames) before(i int) bool {
	if n.first != nil {
		return n.first[n.specs[i].Name] < i
	}
	for j := range i {
		if n.specs[j].Name == n.specs[i].Name {
			return true
		}
	}
	return false
}
