package supervisor

import (
	"context"
	"io/fs"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
)

// classify says what a run's error counts as. It runs user code, the methods of
// errors, so it is not called under a lock.
func classify(err error) machine.Outcome {
	if err == nil {
		return machine.Outcome{Kind: machine.Normal}
	}
	out := machine.Outcome{Kind: machine.Failure, Err: err}
	walk(err, func(err error) (found bool) { return classifyOne(err, &out) })
	return out
}

// classifyOne notes what err itself, not what it wraps, says more than "failed", and
// reports whether the search is over. The error of a supervisor ends it: what a
// child further down said was meant for that supervisor.
func classifyOne(err error, out *machine.Outcome) (found bool) {
	switch e := err.(type) {
	case *GaveUpError:
		if e != nil { // a nil of these types says nothing: it is a plain failure
			out.Kind, out.GaveUp = machine.Shutdown, true
		}
		return true
	case *ChildError:
		if e != nil && e.auto {
			out.Kind = machine.Shutdown
		}
		return true
	case *StopError:
		if e != nil && e.auto {
			out.Kind = machine.Shutdown
		}
		return true
	case *errs.Escalation:
		out.Kind = machine.Escalated
		return true
	}
	x, says := err.(interface{ Is(error) bool })
	for i := range sentinels {
		if end := &sentinels[i]; err == end.of || says && x.Is(end.of) {
			out.Kind = end.kind
			return true
		}
	}
	return false
}

// sentinels are the errors that say more than "failed".
var sentinels = [...]struct {
	of   error
	kind machine.OutcomeKind
}{
	{child.ErrDone, machine.Done},
	{child.ErrShutdown, machine.Shutdown},
	{child.ErrIgnore, machine.Ignore},
}

// mostLooked is how many errors are looked at in one. An error that wraps itself
// must not keep its child from ending, as it would keep errors.Is.
const mostLooked = 1000

// walk has look see err and all that it wraps, the outermost first, in the order
// of errors.Is, until look says that it has found what it looks for.
func walk(err error, look func(error) (found bool)) {
	left := mostLooked
	var visit func(error) bool
	visit = func(err error) bool {
		if err == nil || left == 0 {
			return false
		}
		left--
		if look(err) {
			return true
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			return visit(e.Unwrap())
		case interface{ Unwrap() []error }:
			return slices.ContainsFunc(e.Unwrap(), visit)
		}
		return false
	}
	visit(err)
}

// harmless reports whether an error that a run returned while it was being stopped need
// not be reported: every leaf of it says no more than that somebody stopped. cause is
// why the run was stopped, or nil. passesUp says of a *StopError whether the runs in it
// are reported anyway. A panic or a Goexit is never harmless, whatever was panicked with.
func harmless(err, cause error, passesUp func(*StopError) bool) bool {
	left := mostLooked
	return harmlessTree(err, cause, passesUp, &left)
}

func harmlessTree(err, cause error, passesUp func(*StopError) bool, left *int) bool {
	if *left--; *left < 0 {
		return false
	}
	if cause != nil && err == cause {
		return true
	}
	switch e := err.(type) {
	case *child.PanicError:
		return false
	case *StopError:
		return e != nil && passesUp(e)
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return harmlessTree(inner, cause, passesUp, left)
		}
	case interface{ Unwrap() []error }:
		inner := e.Unwrap()
		for _, err := range inner {
			if err != nil && !harmlessTree(err, cause, passesUp, left) {
				return false
			}
		}
		if len(inner) > 0 {
			return true
		}
	}
	for _, known := range harmlessLeaves {
		if err == known {
			return true
		}
	}
	return closedText(err)
}

var harmlessLeaves = [...]error{context.Canceled, child.ErrDone, child.ErrShutdown, child.ErrIgnore, fs.ErrClosed}

// closedText reports whether err is net.ErrClosed or http.ErrServerClosed, by its text:
// a program that uses neither package should not link them.
func closedText(err error) (is bool) {
	defer func() { _ = recover() }() // an Error method that panics says something else
	switch err.Error() {
	case "use of closed network connection", "http: Server closed":
		return true
	}
	return false
}
