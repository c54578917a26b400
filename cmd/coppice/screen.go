package main

import (
	"io"
	"os"
)

// A screen is where output goes.
type screen struct {
	file     *os.File // the terminal; nil if it is none
	terminal bool
	colour   bool
}

// screenOf returns the screen of the standard output. There is colour on a terminal,
// unless NO_COLOR is set or TERM is dumb.
func screenOf(out io.Writer) screen {
	file, ok := out.(*os.File)
	if !ok {
		return screen{}
	}
	if _, _, ok := windowSize(file); !ok || !escapes(file) {
		return screen{}
	}
	dumb := os.Getenv("TERM") == "dumb"
	return screen{file: file, terminal: !dumb, colour: !dumb && os.Getenv("NO_COLOR") == ""}
}

// size returns the number of columns and rows of the terminal. Without a terminal, or if
// it does not know its size, both are zero.
func (s screen) size() (columns, rows int) {
	if s.file == nil {
		return 0, 0
	}
	columns, rows, _ = windowSize(s.file)
	return columns, rows
}

// print prints lines, without cutting them: a terminal wraps what is too long.
func (s *session) print(all ...line) {
	for _, l := range all {
		s.printf("%s\n", l.render(s.screen.colour))
	}
}

// paragraph prints a text that is wrapped to the width of the terminal. The first line
// begins with a label, and the others are indented to it.
func (s *session) paragraph(label string, st style, words string) {
	columns, _ := s.screen.size()
	room := 0
	if columns > 0 {
		room = max(20, columns-width(label)-1)
	}
	for _, part := range wrap(words, room) {
		s.print(line{{label, dim}, {part, st}})
		label = pad("", width(label))
	}
}
