package observer

import (
	"strings"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/view"
)

// brief returns the text of an error, or of any value, as one line of at most
// view.MaxText bytes. It calls a method of the value, so no lock may be held.
func brief(v any) string {
	return cut(oneline.Of(short(oneline.Sprint(v), 4*view.MaxText)), view.MaxText)
}

// about is brief for an error of the child at path, which stands beside it. Some errors begin
// with that path, such as that of a supervisor that gave up.
func about(path string, err error) string {
	return strings.TrimPrefix(brief(err), oneline.Text(path)+": ")
}

// long returns the text of a value with its lines, at most view.MaxLongText bytes of it.
func long(v any) string { return valid(oneline.Sprint(v), view.MaxLongText) }

// valid returns valid UTF-8 of at most most bytes.
func valid(s string, most int) string {
	return cut(strings.ToValidUTF8(short(s, most+1), "\ufffd"), most)
}

// cut cuts a text that is valid UTF-8 to at most most bytes, and says so with an ellipsis.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return short(s, most-len("…")) + "…"
}

// short returns the first most bytes of s, less what would split a character.
func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// base returns the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// above returns the path without its last part; empty for a root.
func above(path string) string { return path[:max(0, strings.LastIndexByte(path, '/'))] }

// under reports whether path is base or below it.
func under(path, base string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/')
}
