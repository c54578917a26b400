// Package naming says which names a child or a root may have. The packages child
// and supervisor both refuse the others.
package naming

import (
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
