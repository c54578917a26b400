package vitals

import (
	"strings"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// Line returns the first line of the text of a value, usually an error, in at most max
// bytes, with control and format characters escaped. What is cut is replaced by "…".
func Line(v any, max int) string {
	text, _, _ := strings.Cut(oneline.Sprint(v), "\n")
	text = strings.TrimSuffix(text, "\r")
	whole := len(text)
	text = cut(text, max) // an escaped megabyte has four
	safe := oneline.Text(text)
	if len(text) == whole && len(safe) <= max {
		return safe
	}
	return cut(safe, max-len("…")) + "…"
}

// cut returns the longest beginning of s that has at most max bytes and does not end within
// a rune.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for at := max; at > max-utf8.UTFMax && at >= 0; at-- {
		if utf8.RuneStart(s[at]) {
			return s[:at]
		}
	}
	return s[:max] // not UTF-8
}
