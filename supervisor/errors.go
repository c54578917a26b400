package supervisor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/strategy"
)

// What a call may be refused with. They come wrapped, with the path in front:
// test for them with errors.Is.
var (
	// ErrNotRunning: the supervisor has not been started, is being stopped, or
	// has ended.
	ErrNotRunning = machine.ErrNotRunning
	// ErrAlreadyStarted: it has been started and has not ended.
	ErrAlreadyStarted = errors.New("already started")
	// ErrNotFound: no child goes by that path.
	ErrNotFound = machine.ErrNotFound
	// ErrDuplicate: the name is taken by another child, running or not.
	ErrDuplicate = machine.ErrDuplicate
	// ErrMaxChildren: there are MaxChildren children already.
	ErrMaxChildren = machine.ErrMaxChildren
	// ErrSuspended: no child is started before Resume.
	ErrSuspended = machine.ErrSuspended
	// ErrNested: the supervisor runs in a child of another one, which alone
	// starts and stops it.
	ErrNested = errors.New("runs under another supervisor")
)

var errNilContext = errors.New("coppice: nil context")

// A ChildError is an error that concerns a child: its start failed, a call
// about it was refused, or its end has ended its supervisor.
type ChildError struct {
	Path string
	Err  error

	auto bool // it is the end of a supervisor by AutoShutdown
}

// Error returns the path and the text of Err in one line: lines of an error such as
// that of errors.Join are separated by "; ", and what could do harm in a log is escaped.
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

// A GaveUpError is the end of a supervisor that gave up. To a parent that is
// an end of the kind child.ErrShutdown, as in OTP, and errors.Is says so: a
// Permanent child is restarted, a Transient one is not. Spec.Decide of the child
// can make a failure of it.
type GaveUpError struct {
	Path  string // of the supervisor
	Child string // path of the child whose failure was the last
	Err   error  // that failure; nil if the child, a Permanent one, returned nil

	// Limit is the limit that was passed. It is the zero Intensity if no limit
	// was: the child escalated, or its backoff gave up.
	Limit strategy.Intensity
	// Reason tells which: "more than 3 restarts in 5s", "backoff gave up",
	// "escalated".
	Reason string
}

// Error returns all of it in one line, as ChildError does.
func (e *GaveUpError) Error() string {
	if e == nil {
		return "nil *supervisor.GaveUpError"
	}
	text := oneline.Text(e.Path + ": gave up: " + e.Reason + ": " + e.Child)
	if e.Err == nil {
		return text + ": returned nil, and it is Permanent"
	}
	return text + ": " + oneline.Of(e.Err)
}

// Unwrap returns Err.
func (e *GaveUpError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// Is reports true for child.ErrShutdown.
func (e *GaveUpError) Is(target error) bool { return e != nil && target == child.ErrShutdown }

// A StopError is what went wrong in a stop.
type StopError struct {
	// Abandoned are the runs that were abandoned: they did not return within their stop
	// timeout, and had not returned when the stop was over.
	Abandoned []AbandonedRun

	// Unclean are the children whose runs returned an error, or panicked, while they
	// were being stopped, such as "flush: 1,708 rows not written". An error that only
	// says that the run was stopped is not among them: nil, and one made of nothing but
	// context.Canceled, the cause of the run's context, child.ErrDone, ErrShutdown or
	// ErrIgnore, net.ErrClosed, os.ErrClosed and http.ErrServerClosed. Spec.Decide of
	// the child may turn an error into one of those. errors.Is and errors.As find what
	// the children returned.
	Unclean []*ChildError

	auto bool            // it is the end of a supervisor by AutoShutdown
	of   <-chan struct{} // over, of the life that it is the end of
}

// A AbandonedRun is a run that was abandoned.
type AbandonedRun struct {
	Path  string
	After time.Duration // how long it was waited for
	Stack []byte        // of its goroutine when it was abandoned; nil if it was not found
}

// mostNamed is how many children an error names.
const mostNamed = 5

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

// firstFew returns the text of a few, and how many more there are.
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

// Unwrap returns what the Unclean children returned.
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

// both is an end for two reasons, in one line.
type both struct{ first, second error }

func (e *both) Error() string   { return e.first.Error() + "; " + e.second.Error() }
func (e *both) Unwrap() []error { return []error{e.first, e.second} }

// As finds the StopError of this end, before one in the failure that led to it.
func (e *both) As(target any) bool {
	stop, ok := e.second.(*StopError)
	if t, wanted := target.(**StopError); ok && wanted {
		*t = stop
		return true
	}
	return false
}

// and joins two errors of which either may be nil.
func and(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return &both{first, second}
}
