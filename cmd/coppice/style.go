package main

import "strings"

// style is how a text is shown on a terminal. The words say all without it.
type style uint8

const (
	plain style = iota
	bold
	dim
	good
	warn
	bad
)

// codes are the parameters of the escape code for each style. The sixteen colours follow
// the theme of the terminal, so they can be read on light and dark ones.
var codes = [...]string{plain: "", bold: "1", dim: "2", good: "32", warn: "33", bad: "31;1"}

// A span is a text in one style. The text is one line and safe.
type span struct {
	text  string
	style style
}

// A line is a line of output.
type line []span

// text returns a line of one span.
func text(s string) line { return line{{s, plain}} }

// width returns the number of cells of a line.
func (l line) width() int {
	n := 0
	for _, s := range l {
		n += width(s.text)
	}
	return n
}

// cut shortens a line to a width.
func (l line) cut(to int) line {
	if l.width() <= to {
		return l
	}
	var out line
	for _, s := range l {
		w := width(s.text)
		if w >= to { // w == to: something follows, so that this must show that it is cut
			if w == to {
				s.text += "…"
			}
			return append(out, span{cut(s.text, to), s.style})
		}
		out, to = append(out, s), to-w
	}
	return out
}

// render returns the text of a line, with escape codes if colour is true.
func (l line) render(colour bool) string {
	var b strings.Builder
	for _, s := range l {
		if !colour || s.style == plain || s.text == "" {
			b.WriteString(s.text)
			continue
		}
		b.WriteString("\x1b[" + codes[s.style] + "m" + s.text + "\x1b[0m")
	}
	return strings.TrimRight(b.String(), " ")
}
