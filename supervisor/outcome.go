package supervisor

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/verdict"
)

// classify says what a run's error counts as. It runs user code, the methods of
// errors, so it is not called under a lock.
func classify(err error) machine.Outcome {
	if err == nil {
		return machine.Outcome{Kind: machine.Normal}
	}
	out := machine.Outcome{Kind: machine.Failure, Err: err}
	mark(err, &out, 0)
	return out
}

// deepest is how far an error's chain is followed: one that never ends must not
// keep its child from ending.
const deepest = 100

// mark finds the outermost error in the tree of err that says more than
// "failed", and reports whether there is one. The error of a supervisor ends the
// search: what a child further down said was meant for that supervisor.
func mark(err error, out *machine.Outcome, depth int) (found bool) {
	if err == nil || depth > deepest {
		return false
	}
	switch e := err.(type) {
	case *GaveUpError:
		out.Kind, out.GaveUp = machine.Shutdown, true
		return true
	case *ChildError:
		if e.auto {
			out.Kind = machine.Shutdown
		}
		return true
	case *StopError:
		return false
	case *verdict.Escalation:
		out.Kind = machine.Escalated
		return true
	}
	for _, m := range [...]struct {
		target error
		kind   machine.OutcomeKind
	}{
		{child.ErrDone, machine.Done},
		{child.ErrShutdown, machine.Shutdown},
		{child.ErrIgnore, machine.Ignore},
	} {
		if is(err, m.target) {
			out.Kind = m.kind
			return true
		}
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return mark(e.Unwrap(), out, depth+1)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if mark(inner, out, depth+1) {
				return true
			}
		}
	}
	return false
}

// is reports whether err itself, not what it wraps, is target.
func is(err, target error) bool {
	if err == target {
		return true
	}
	x, ok := err.(interface{ Is(error) bool })
	return ok && x.Is(target)
}
