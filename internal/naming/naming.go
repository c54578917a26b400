// Package naming says which names a child or a root may have. The packages child
// and supervisor both refuse the others.
package naming

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// Problem returns what makes a name unfit for a path or a line of a log, or
// nothing. That the name is empty is for the caller to find.
func Problem(name string) string {
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

// longest is how many bytes an escaped name has at most, before a hash is put in
// place of what follows.
const longest = 128

// Escape returns a name without a Problem for any text. No two texts have the same
// name, but for a collision of hashes: what is unfit for a name is written as in a
// URL, and so is a percent sign.
func Escape(text string) string {
	if text == "" {
		return "%" // no other name ends like that
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

// head returns at most n bytes of an escaped name, without half a rune or escape.
func head(name string, n int) string {
	for !utf8.RuneStart(name[n]) {
		n--
	}
	if at := strings.LastIndexByte(name[:n], '%'); at >= 0 && n-at < len("%2F") {
		n = at
	}
	return name[:n]
}
