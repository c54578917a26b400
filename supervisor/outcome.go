package supervisor

import (
	"slices"

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
	walk(err, func(err error) (found bool) { return mark(err, &out) })
	return out
}

// mark notes what err itself, not what it wraps, says more than "failed", and
// reports whether the search is over. The error of a supervisor ends it: what a
// child further down said was meant for that supervisor.
func mark(err error, out *machine.Outcome) (found bool) {
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
	case *verdict.Escalation:
		out.Kind = machine.Escalated
		return true
	}
	x, says := err.(interface{ Is(error) bool })
	for i := range ends {
		if end := &ends[i]; err == end.of || says && x.Is(end.of) {
			out.Kind = end.kind
			return true
		}
	}
	return false
}

// ends are the errors that say more than "failed".
var ends = [...]struct {
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
