// Package oneline makes text that fits into one line of a log or a terminal and
// does no harm there: no control characters and escape codes, no line separators,
// no format characters such as bidirectional marks, no invalid UTF-8.
package oneline

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Harmful reports whether a rune could break a line, drive a terminal, or change
// how the text around it is shown.
func Harmful(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Text returns s itself, unallocated, if all of it is harmless. Otherwise what is
// harmful is escaped as in a Go string literal: \r, \x1b, \u202e, \xff. A backslash
// is harmless, so escapes are for people to read, not for programs to undo.
func Text(s string) string {
	at := harm(s)
	if at == len(s) {
		return s
	}
	text := make([]byte, 0, len(s)+16)
	for at < len(s) {
		text = append(text, s[:at]...)
		r, size := utf8.DecodeRuneInString(s[at:])
		if r == utf8.RuneError && size == 1 {
			text = fmt.Appendf(text, `\x%02x`, s[at])
		} else {
			quoted := strconv.QuoteRune(r)
			text = append(text, quoted[1:len(quoted)-1]...)
		}
		s = s[at+size:]
		at = harm(s)
	}
	return string(append(text, s...))
}

// harm returns where in s the first harmful rune or byte is, or the length of s.
func harm(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || Harmful(r) {
			return i
		}
		i += size
	}
	return len(s)
}

// Of returns the text of a value, mostly an error, in one line: those of a text of
// several, as of errors.Join, are put behind one another with "; " between them.
func Of(v any) string {
	text := Sprint(v)
	if strings.Contains(text, "\n") {
		text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\r\n", "\n")
		text = strings.ReplaceAll(text, "\n", "; ")
	}
	return Text(text)
}

// First returns the first line of the text of a value.
func First(v any) string {
	text, _, more := strings.Cut(Sprint(v), "\n")
	if more {
		text = strings.TrimSuffix(text, "\r")
	}
	return Text(text)
}

// Sprint is fmt.Sprint for values whose methods nobody has checked. That survives
// an Error or String method that panics, as that of a typed nil; this also survives
// one whose panic value does so in turn.
func Sprint(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("(%T)", v)
		}
	}()
	return fmt.Sprint(v)
}

// JSON returns valid JSON with what is harmful in its strings written as \u escapes.
// What it decodes to stays the same. It returns text itself if that is harmless.
func JSON(text []byte) []byte {
	var safe []byte
	done := 0 // so much of text is in safe
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		if r >= 0x7f && Harmful(r) { // below, JSON itself has seen to it
			safe = append(safe, text[done:i]...)
			for _, unit := range utf16.AppendRune(nil, r) {
				safe = fmt.Appendf(safe, `\u%04x`, unit)
			}
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return text
	}
	return append(safe, text[done:]...)
}
