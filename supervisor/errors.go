package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/strategy"
)

// Errors for which a call is refused. They are wrapped with the path in front: test for
// them with errors.Is.
var (
	// ErrNotRunning means that the supervisor has not been started, is being stopped, or
	// has ended.
	ErrNotRunning = machine.ErrNotRunning
	// ErrAlreadyStarted means that the supervisor has been started and has not ended.
	ErrAlreadyStarted = errors.New("already started")
	// ErrNotFound means that no child has that path.
	ErrNotFound = machine.ErrNotFound
	// ErrDuplicate means that another child, running or not, has that name.
	ErrDuplicate = machine.ErrDuplicate
	// ErrMaxChildren means that the supervisor has MaxChildren children already.
	ErrMaxChildren = machine.ErrMaxChildren
	// ErrSuspended means that no child is started until Resume is called.
	ErrSuspended = machine.ErrSuspended
	// ErrNeeded means that the child is not removed because another one needs it: see
	// child.Spec.Needs.
	ErrNeeded = machine.ErrNeeded
	// ErrOtherRun means that the child has another run by now than the request was for: see
	// Request.Run.
	ErrOtherRun = errors.New("another run by now")
	// ErrDraining means that the root waits for Spec.Drain before it stops. Health returns
	// it.
	ErrDraining = errors.New("draining")
	// ErrNested means that the supervisor runs in a child of another supervisor. Only its
	// parent starts and stops it.
	ErrNested = errors.New("runs under another supervisor")
)

var errNilContext = errors.New("coppice: nil context")

// A ChildError is an error that concerns a child: its start failed, a call about it was
// refused, or its end has ended its supervisor.
type ChildError struct {
	Path string // of the child, or of the supervisor that the call is about
	Err  error

	auto bool // the supervisor ended by AutoShutdown
}

// Error returns the path and the text of Err in one line. The lines of an error such as
// that of errors.Join are separated by "; ", and control characters are escaped.
func (e *ChildError) Error() string {
	if e == nil {
		return "nil *supervisor.ChildError"
	}
	return oneline.Text(e.Path) + ": " + oneline.Of(e.Err)
}

// Unwrap returns Err.
func (e *ChildError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// A GaveUpError is returned by a supervisor that gave up. For its parent it is an end of
// kind child.ErrShutdown, as in OTP, and errors.Is reports that: a Permanent child is
// restarted, a Transient one is not. Spec.Decide of the child can turn it into a failure.
type GaveUpError struct {
	Path  string // of the supervisor
	Child string // path of the child that failed last
	Err   error  // its failure, or nil if a Permanent child returned nil

	// Limit is the limit that was exceeded. It is the zero Intensity if the child
	// escalated or its backoff gave up.
	Limit strategy.Intensity
	// Reason is the trigger: "more than 3 restarts in 5s", "backoff gave up",
	// "escalated".
	Reason string
}

// Error returns all fields in one line, as ChildError does.
func (e *GaveUpError) Error() string {
	if e == nil {
		return "nil *supervisor.GaveUpError"
	}
	text := oneline.Text(e.Path + ": gave up: " + e.Reason + ": " + e.Child)
	if e.Err == nil {
		return text + ": returned nil, but it is Permanent"
	}
	err := e.Err
	if escalated, ok := err.(*errs.Escalation); ok && escalated.Err != nil { // the reason says so already
		err = escalated.Err
	}
	return text + ": " + oneline.Of(err)
}

// Unwrap returns Err.
func (e *GaveUpError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports whether target is child.ErrShutdown.
func (e *GaveUpError) Is(target error) bool { return e != nil && target == child.ErrShutdown }

// A StopError reports what went wrong in a stop.
type StopError struct {
	// Abandoned are the runs that were abandoned: they did not return within their stop
	// timeout, and had not returned when the stop was over.
	Abandoned []AbandonedRun

	// Unclean are the children whose runs returned an error or panicked while they were
	// being stopped, such as "flush: 1,708 rows not written". It does not include nil or
	// an error that only says that the run was stopped, that is, one that consists of
	// nothing but context.Canceled, the cause of the run's context, child.ErrDone,
	// ErrShutdown, ErrIgnore, net.ErrClosed, os.ErrClosed and http.ErrServerClosed.
	// Spec.Decide of the child may turn an error into one of those. errors.Is and
	// errors.As find the errors that the children returned.
	Unclean []*ChildError

	auto bool            // the supervisor ended by AutoShutdown
	of   <-chan struct{} // identifies the life that ended: its over
}

// An AbandonedRun is a run that did not return within its stop timeout.
type AbandonedRun struct {
	Path  string        // path of the child
	After time.Duration // time that the supervisor waited for it
	Stack []byte        // stack of its goroutine when it was abandoned; nil if not found
}

// mostNamed is the number of children that an error names at most.
const mostNamed = 5

// Error returns the paths and texts of the first few runs of each kind, and how many more
// there are, in one line.
func (e *StopError) Error() string {
	if e == nil {
		return "nil *supervisor.StopError"
	}
	var parts []string
	switch n := len(e.Abandoned); {
	case n == 1:
		parts = append(parts, fmt.Sprintf("%s: did not stop within %v", oneline.Text(e.Abandoned[0].Path), e.Abandoned[0].After))
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d children did not stop: %s", n, firstFew(e.Abandoned, ", ", func(s AbandonedRun) string {
			return fmt.Sprintf("%s within %v", oneline.Text(s.Path), s.After)
		})))
	}
	switch n := len(e.Unclean); {
	case n == 1:
		parts = append(parts, fmt.Sprintf("%s: stopped with an error: %s", oneline.Text(e.Unclean[0].Path), oneline.Of(e.Unclean[0].Err)))
	case n > 1:
		parts = append(parts, fmt.Sprintf("%d children stopped with an error: %s", n, firstFew(e.Unclean, "; ", (*ChildError).Error)))
	}
	return strings.Join(parts, "; ")
}

// firstFew returns the texts of the first few values, and how many more there are.
func firstFew[T any](all []T, sep string, text func(T) string) string {
	var parts []string
	for _, one := range all[:min(len(all), mostNamed)] {
		parts = append(parts, text(one))
	}
	if more := len(all) - len(parts); more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(parts, sep), more)
	}
	return strings.Join(parts, sep)
}

// Unwrap returns the elements of Unclean.
func (e *StopError) Unwrap() []error {
	if e == nil {
		return nil
	}
	all := make([]error, len(e.Unclean))
	for i, child := range e.Unclean {
		all[i] = child
	}
	return all
}

// A both is two errors in one line: an end for two reasons.
type both struct{ first, second error }

func (e *both) Error() string   { return e.first.Error() + "; " + e.second.Error() }
func (e *both) Unwrap() []error { return []error{e.first, e.second} }

// As finds the StopError of this end before one that is wrapped by the failure that led
// to it.
func (e *both) As(target any) bool {
	stop, ok := e.second.(*StopError)
	if t, wanted := target.(**StopError); ok && wanted {
		*t = stop
		return true
	}
	return false
}

// and joins two errors, either of which may be nil.
func and(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return &both{first, second}
}
