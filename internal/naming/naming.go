// Package naming checks and makes the names of children and roots. Packages child and
// supervisor share it.
package naming

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// Problem returns the reason why a name cannot be part of a path or a log line, or "" if
// it can. The caller must check for an empty name.
func Problem(name string) string {
	if isPlain(name) {
		return ""
	}
	switch {
	case !utf8.ValidString(name):
		return fmt.Sprintf("not UTF-8: %q", name)
	case strings.Contains(name, "/"):
		return fmt.Sprintf("has a slash: %q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Sprintf("has a control character: %q", name)
	case strings.ContainsFunc(name, oneline.Harmful):
		return fmt.Sprintf("has an invisible character or a line separator: %q", name)
	}
	return ""
}

// isPlain reports whether a name has only printable ASCII characters and no slash. Most have.
func isPlain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '/' {
			return false
		}
	}
	return true
}

// longest is the maximum length of an escaped name, in bytes. The end of a longer one is
// replaced by a hash.
const longest = 128

// Escape returns a valid name for any text. Characters that a name must not contain, and
// percent signs, are escaped as in a URL. Different texts have different names, except
// for hash collisions.
func Escape(text string) string {
	if text == "" {
		return "%" // not the name of any other text
	}
	var name strings.Builder
	for i, r := range text {
		size := utf8.RuneLen(r)
		if r == utf8.RuneError { // it may stand for an invalid byte
			_, size = utf8.DecodeRuneInString(text[i:])
		}
		if r == '%' || r == '/' || r == utf8.RuneError && size == 1 || oneline.Harmful(r) {
			for _, b := range []byte(text[i : i+size]) {
				fmt.Fprintf(&name, "%%%02X", b)
			}
		} else {
			name.WriteRune(r)
		}
		if name.Len() > longest {
			hash := sha256.Sum256([]byte(text))
			return fmt.Sprintf("%s%%~%x", head(name.String(), longest-34), hash[:16])
		}
	}
	return name.String()
}

// head returns at most the first n bytes of an escaped name. It does not split a rune or
// an escape.
func head(name string, n int) string {
	for !utf8.RuneStart(name[n]) {
		n--
	}
	if at := strings.LastIndexByte(name[:n], '%'); at >= 0 && n-at < len("%2F") {
		n = at
	}
	return name[:n]
}
