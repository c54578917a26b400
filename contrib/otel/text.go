package coppiceotel

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Texts come from user code, so their length is limited before they are exported.
const (
	maxText  = 1 << 10
	maxStack = 8 << 10
)

// errorText returns the text of an error as one harmless line.
func errorText(err error) string {
	text := (&supervisor.ChildError{Err: err}).Error() // escapes, and survives an Error method that panics
	return cut(strings.TrimPrefix(text, ": "), maxText)
}

// lineOf returns a text of user code, such as the name of an operator, as one harmless line.
func lineOf(text string) string {
	if isPlain(text) {
		return text
	}
	return cut(strings.TrimSuffix((&supervisor.ChildError{Path: cut(text, maxText), Err: errNone}).Error(), ": "), maxText)
}

// isPlain reports whether a text can be exported as it is: the usual case.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return len(text) <= maxText
}

var errNone = errors.New("")

// stackText returns a stack, cut to the part that is exported.
func stackText(stack []byte) string {
	return strings.ToValidUTF8(cut(string(stack[:min(len(stack), maxStack+utf8.UTFMax)]), maxStack), "\ufffd")
}

// cut returns the beginning of s, at most n bytes and the sign that something is missing.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for end := n; end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end] + "…"
		}
	}
	return s[:n] + "…" // not UTF-8
}

// Values of the attribute error.type.
const (
	typePanic = "panic" // a panic or runtime.Goexit
	typeError = "error" // every other failure
)

// errorType returns the value of error.type for a failure.
func errorType(err error) (kind string) {
	defer func() {
		if recover() != nil { // a method of the error
			kind = typeError
		}
	}()
	var panicked *child.PanicError
	if errors.As(err, &panicked) || errors.Is(err, child.ErrGoexit) {
		return typePanic
	}
	return typeError
}

// is is errors.Is for errors whose methods may panic.
func is(err, target error) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return errors.Is(err, target)
}

// goType returns the Go type of an error. Types are part of the program, so there is a
// limited number of them.
func goType(err error) string { return cut(fmt.Sprintf("%T", err), 200) }
