package supervisor

import (
	"context"
	"io/fs"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
)

// classify returns what a run's error counts as. It calls user code, the methods of
// errors, so it must not be called under a lock.
func classify(err error) machine.Outcome {
	if err == nil {
		return machine.Outcome{Kind: machine.Normal}
	}
	out := machine.Outcome{Kind: machine.Failure, Err: err}
	walk(err, func(err error) (found bool) { return classifyOne(err, &out) })
	return out
}

// classifyOne classifies err itself (not the errors it wraps) into out, and reports
// whether to stop unwrapping. The error of a supervisor ends the search: what a child
// further down returned was meant for that supervisor.
func classifyOne(err error, out *machine.Outcome) (found bool) {
	switch e := err.(type) {
	case *GaveUpError:
		if e != nil { // a nil pointer of these types is a plain failure
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

// mostLooked is how many errors are examined in one. An error that wraps itself must not
// keep its child from ending; errors.Is would never return.
const mostLooked = 1000

// walk calls look for err and all errors it wraps, the outermost first, in the order of
// errors.Is, until look returns true.
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
// not be reported: every leaf of it says no more than that something was stopped or
// closed. cause is why the run was stopped, or nil. passesUp reports whether the contents
// of a *StopError are reported anyway. A panic or a Goexit is never harmless, whatever
// the panic's value.
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

// closedText reports whether err is net.ErrClosed or http.ErrServerClosed. It compares
// texts, so that programs that do not use these packages need not link them.
func closedText(err error) (is bool) {
	defer func() { _ = recover() }() // an Error method that panics: not one of these
	switch err.Error() {
	case "use of closed network connection", "http: Server closed":
		return true
	}
	return false
}
