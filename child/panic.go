package child

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A PanicError is the failure of a run that panicked.
type PanicError struct {
	Value any // what was given to panic
	text  string
	calls []uintptr
}

// Recovered makes a *PanicError of what recover returned, with the stack of the
// panic, when it is called by the deferred function that recovered. It returns
// nil for nil. A supervisor recovers only on a child's own goroutine; a child
// that starts others may use this to make their panics failures of its own.
//
// The text of the value is made here, by its Error or String method if it has one,
// and not when somebody asks for it: the value may be in use elsewhere by then. That
// method may panic, but if it calls runtime.Goexit, Recovered does not return.
func Recovered(value any) error {
	if value == nil {
		return nil
	}
	var calls [64]uintptr
	n := runtime.Callers(2, calls[:]) // without Callers and Recovered
	return &PanicError{Value: value, text: panicText(value), calls: append([]uintptr{}, calls[:n]...)}
}

// Error returns "panic: " and the text of the value: its first line, no more than a
// kilobyte of it, with what could do harm in a log escaped. Of a value without an
// Error or String method that refers to memory, such as a pointer to a struct, a
// slice or a map, it is the type alone: others may be writing there.
func (e *PanicError) Error() string {
	if e == nil {
		return "nil *child.PanicError"
	}
	text := e.text
	if e.calls == nil { // made by hand
		text = panicText(e.Value)
	}
	return "panic: " + oneline.First(text)
}

// panicText returns what is kept of the text of a value that was given to panic.
func panicText(value any) string {
	const most = 1 << 10
	text := textOf(value)
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// textOf may call a method of the value.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil, error, fmt.Stringer, fmt.Formatter:
	default:
		if !isPlain(reflect.TypeOf(v)) {
			return fmt.Sprintf("(%T)", v)
		}
	}
	return oneline.Sprint(value)
}

// isPlain reports whether a value of the type refers to no memory that others may
// write to.
func isPlain(t reflect.Type) bool {
	switch kind := t.Kind(); kind {
	case reflect.Struct:
		for i := range t.NumField() {
			if !isPlain(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return isPlain(t.Elem())
	default:
		return kind == reflect.String || reflect.Bool <= kind && kind <= reflect.Complex128
	}
}

// Unwrap returns the value if it is an error.
func (e *PanicError) Unwrap() error {
	if e == nil {
		return nil
	}
	err, _ := e.Value.(error)
	return err
}

// Stack returns the stack of the panic as text, from the function that panicked
// outwards, at most some sixty calls: for each its name, and file and line below
// it. The text is made on each call of Stack.
func (e *PanicError) Stack() []byte {
	if e == nil || len(e.calls) == 0 {
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
