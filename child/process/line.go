package process

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// maxLine is how much of a line is kept, in bytes.
const maxLine = 4096

// A line is the line that a program is writing. It is bounded, however long the line is.
type line struct {
	text    []byte
	cut     bool // text is full and was logged
	dropped int  // bytes after that
}

// add adds output, and logs each line that is complete or full. seen is called with each
// line before that, and with what there is of the last one. It may be nil.
func (l *line) add(text []byte, log func(string), seen func([]byte)) {
	for len(text) > 0 {
		part, rest, complete := bytes.Cut(text, []byte{'\n'})
		l.fill(part, log, seen)
		if complete {
			l.end(log)
		}
		text = rest
	}
}

// fill adds a part of a line.
func (l *line) fill(part []byte, log func(string), seen func([]byte)) {
	if l.cut {
		l.dropped += len(part)
		return
	}
	fits := min(len(part), maxLine-len(l.text))
	l.text = append(l.text, part[:fits]...)
	if seen != nil {
		seen(l.text)
	}
	if fits == len(part) {
		return
	}
	whole := wholeRunes(l.text)
	l.cut, l.dropped = true, len(part)-fits+len(l.text)-whole
	log(oneline.Text(string(l.text[:whole])) + "…")
}

// flush logs an incomplete line at the end of the output.
func (l *line) flush(log func(string)) {
	if l.cut || len(l.text) > 0 {
		l.end(log)
	}
}

// end logs the line, and begins the next one.
func (l *line) end(log func(string)) {
	defer func() { *l = line{text: l.text[:0]} }()
	if l.cut {
		log(fmt.Sprintf("(the rest of that line was dropped: %d bytes)", l.dropped))
		return
	}
	log(oneline.Text(string(bytes.TrimSuffix(l.text, []byte{'\r'}))))
}

// wholeRunes returns the length of text without the beginning of a character at its end.
func wholeRunes(text []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if at := len(text) - back; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				return at
			}
			break
		}
	}
	return len(text)
}
