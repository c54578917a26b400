// Package oneline makes text safe for one line of a log or a terminal. The result has no
// control characters or escape codes, no line separators, no format characters such as
// bidirectional marks, and no invalid UTF-8.
package oneline

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Harmful reports whether a rune could break a line, control a terminal, or change how
// the surrounding text is displayed.
func Harmful(r rune) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == 0x7f
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Text returns s with harmful runes and bytes escaped as in a Go string literal: \r,
// \x1b, \u202e, \xff. If there are none, it returns s itself and does not allocate. A
// backslash is not escaped, so the result is for people to read and cannot be decoded.
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

// harm returns the index of the first harmful rune or byte in s, or len(s).
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

// Of returns the text of a value, usually an error, as one line. If the text has several
// lines, as that of errors.Join, they are joined with "; ".
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

// Sprint is fmt.Sprint for values with untrusted methods. fmt.Sprint survives an Error or
// String method that panics, for example that of a typed nil. Sprint also survives if the
// panic value panics when it is formatted; it then returns the type of v in parentheses.
func Sprint(v any) (text string) {
	if text, ok := errorText(v); ok {
		return text
	}
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("(%T)", v)
		}
	}()
	return fmt.Sprint(v)
}

// errorText returns the text of an error without the copy that fmt makes. It reports false for
// other values, and if the text cannot be had so simply.
func errorText(v any) (text string, ok bool) {
	if _, formats := v.(fmt.Formatter); formats {
		return "", false
	}
	err, ok := v.(error)
	if !ok {
		return "", false
	}
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return err.Error(), true
}

// JSON returns text, which must be valid JSON, with harmful runes in its strings written
// as \u escapes. It decodes to the same value. If there are none, JSON returns text itself.
func JSON(text []byte) []byte {
	var safe []byte
	done := 0 // text[:done] is in safe already
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		if r >= 0x7f && Harmful(r) { // JSON already escapes those below 0x7f
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
