package process

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// logged returns what is logged of output that arrives in parts.
func logged(parts ...string) (all []string) {
	var l line
	log := func(text string) { all = append(all, text) }
	for _, part := range parts {
		l.add([]byte(part), log, nil)
	}
	l.flush(log)
	return all
}

func TestOutputIsLoggedLineByLine(t *testing.T) {
	require.Empty(t, logged(""))
	require.Equal(t, []string{"a", "", "bcd"}, logged("a\n\nb", "c", "d\n"))
	require.Equal(t, []string{"a", "no newline"}, logged("a\r\n", "no newline"))
	full := strings.Repeat("x", maxLine)
	require.Equal(t, []string{full, "y"}, logged(full, "\n", "y"))
	require.Equal(t, []string{full}, logged(full))
}

func TestBinaryOutputIsEscaped(t *testing.T) {
	require.Equal(t, []string{`\x00\xff\x1b[2J\u202e`, `a\rb`}, logged("\x00\xff\x1b[2J\u202e\na\rb\n"))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, text := range logged(string(every)) {
		require.NotRegexp(t, `[\x00-\x1f\x7f]`, text)
	}
}

func TestALineOfAGigabyteIsCut(t *testing.T) {
	const size, chunks = 1 << 20, 1 << 10
	var l line
	var all []string
	log := func(text string) { all = append(all, text) }
	chunk := bytes.Repeat([]byte{'x'}, size)
	for range chunks {
		l.add(chunk, log, nil)
		require.LessOrEqual(t, cap(l.text), 2*maxLine)
	}
	require.Equal(t, []string{strings.Repeat("x", maxLine) + "…"}, all, "logged while the line goes on")
	l.add([]byte("\nnext\n"), log, nil)
	require.Equal(t, []string{fmt.Sprintf("(the rest of that line was dropped: %d bytes)", size*chunks-maxLine), "next"}, all[1:])
}

func TestALineIsCutAtTheEndOfACharacter(t *testing.T) {
	head := strings.Repeat("x", maxLine-1)
	require.Equal(t, []string{head + "…", "(the rest of that line was dropped: 3 bytes)"}, logged(head+"€\n"))
	require.Equal(t, []string{head + `\xff…`, "(the rest of that line was dropped: 1 bytes)"}, logged(head+"\xffy\n"))
}

// Whatever the output and however it is cut into parts, each byte is logged or counted.
func FuzzLine(f *testing.F) {
	f.Add([]byte("a\nb\r\n\xe2\x82"), uint16(1))
	f.Add(bytes.Repeat([]byte("€"), maxLine), uint16(1000))
	f.Fuzz(func(t *testing.T, output []byte, size uint16) {
		var split, whole []string
		var l line
		log := func(text string) { split = append(split, text) }
		for rest := output; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			l.add(rest[:n], log, func(text []byte) { require.LessOrEqual(t, len(text), maxLine) })
			rest = rest[n:]
		}
		l.flush(log)
		whole = logged(string(output))
		require.Equal(t, whole, split)
	})
}

func TestTheTailKeepsTheLastLines(t *testing.T) {
	var last tail
	for i := range 50 {
		last.add(fmt.Sprint("line ", i))
	}
	require.Len(t, last.lines, tailLines)
	require.Equal(t, "line 30", last.lines[0])
	require.Equal(t, "line 49", last.lines[19])
	last.add(strings.Repeat("€", tailBytes))
	require.LessOrEqual(t, len(last.lines[19]), tailBytes)
	require.True(t, strings.HasSuffix(last.lines[19], "€…"))
	require.LessOrEqual(t, cap(last.lines), 2*tailLines)
}
