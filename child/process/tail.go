package process

import "strings"

const (
	tailLines = 20
	tailBytes = 1024 // of each
)

// A tail is the last lines of an output.
type tail struct{ lines []string }

func (t *tail) add(line string) {
	if len(line) > tailBytes {
		line = strings.ToValidUTF8(line[:tailBytes-len("…")], "") + "…"
	}
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}
