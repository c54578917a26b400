package child

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/gopanic"
	"github.com/coppice-go/coppice/internal/oneline"
)

// A PanicError is the failure of a run that panicked.
type PanicError struct {
	Value any // the argument of panic
	text  string
	calls []uintptr
}

// Recovered converts the result of recover to a *PanicError with the stack of the panic.
// It must be called by the deferred function that recovers. Recovered(nil) is nil. A
// supervisor recovers panics only on the goroutine of Run. A child that starts other
// goroutines can use Recovered to report their panics as its own failure.
//
// Recovered makes the text of the value at once, by its Error or String method if it has
// one, because the value may be in use elsewhere by the time the text is needed. That
// method may panic. But if it calls runtime.Goexit, Recovered does not return.
func Recovered(value any) error {
	if value == nil {
		return nil
	}
	var calls [64]uintptr
	n := runtime.Callers(2, calls[:]) // without Callers and Recovered
	return &PanicError{Value: value, text: panicText(value), calls: append([]uintptr{}, calls[:n]...)}
}

// Error returns "panic: " and the first line of the text of the value, at most a kilobyte
// of it, with characters that are unsafe in a log escaped. For a value that refers to
// memory, such as a pointer to a struct, a slice or a map, and has no Error or String
// method, the text is only its type: other goroutines may be writing to that memory.
func (e *PanicError) Error() string {
	if e == nil {
		return "nil *child.PanicError"
	}
	text := e.text
	if e.calls == nil { // not made by Recovered
		text = panicText(e.Value)
	}
	return "panic: " + oneline.First(text)
}

// panicText returns the text of the argument of panic, cut to a kilobyte.
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

// textOf returns the text of a value. It may call a method of the value.
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

// isPlain reports whether values of the type refer to no memory that other goroutines
// may write to.
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

// Stack returns the stack of the panic as text, starting with the function that
// panicked. It has up to about sixty calls, each with the name of the function and, on the
// next line, file and line. Stack formats the text each time it is called.
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
		case frame.Function == gopanic.Function:
			panicked = true // the frames before it are those of the recovery
		}
		if !more {
			return text
		}
	}
}
