package child

import (
	"fmt"
	"runtime"
	"strings"
)

// A PanicError is the failure of a run that panicked.
type PanicError struct {
	Value any // what was given to panic
	calls []uintptr
}

// Recovered makes a *PanicError of what recover returned, with the stack of the
// panic, when it is called by the deferred function that recovered. It returns
// nil for nil. A supervisor recovers only on a child's own goroutine; a child
// that starts others may use this to make their panics failures of its own.
func Recovered(value any) error {
	if value == nil {
		return nil
	}
	var calls [64]uintptr
	n := runtime.Callers(2, calls[:]) // without Callers and Recovered
	return &PanicError{Value: value, calls: append([]uintptr(nil), calls[:n]...)}
}

// Error returns "panic: " and the value, cut at its first line.
func (e *PanicError) Error() string {
	text, _, _ := strings.Cut(fmt.Sprint(e.Value), "\n")
	return "panic: " + text
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Stack returns the stack of the panic as text, from the function that panicked
// outwards, at most some sixty calls: for each its name, and file and line below
// it. The text is made on each call of Stack.
func (e *PanicError) Stack() []byte {
	if len(e.calls) == 0 {
		return nil
	}
	var text []byte
	frames := runtime.CallersFrames(e.calls)
	for panicked := false; ; {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		switch {
		case len(text) > 0, panicked && !inRuntime:
			text = fmt.Appendf(text, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
		case frame.Function == "runtime.gopanic":
			panicked = true // what comes before is our recovering
		}
		if !more {
			return text
		}
	}
}
