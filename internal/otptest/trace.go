package otptest

import (
	"fmt"
	"strings"
)

// A Trace records what a tree did in a scenario.
type Trace struct {
	Name   string
	Blocks []Block
}

// A Block records one step: the events, the results and the state after it.
type Block struct {
	Header string
	Lines  []string
}

// ParseTraces parses a trace file.
func ParseTraces(text string) ([]*Trace, error) {
	var (
		all []*Trace
		t   *Trace
	)
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, " \r")
		name, isTrace := strings.CutPrefix(line, "== ")
		header, isBlock := strings.CutPrefix(line, "-- ")
		switch {
		case line == "":
		case isTrace && t == nil:
			t = &Trace{Name: name}
		case line == "end" && t != nil:
			all = append(all, t)
			t = nil
		case isBlock && t != nil:
			t.Blocks = append(t.Blocks, Block{Header: header})
		case t != nil && len(t.Blocks) > 0:
			b := &t.Blocks[len(t.Blocks)-1]
			b.Lines = append(b.Lines, line)
		default:
			return nil, fmt.Errorf("line %d is out of place: %s", i+1, line)
		}
	}
	if t != nil {
		return nil, fmt.Errorf("trace %s has no end", t.Name)
	}
	return all, nil
}

// String returns the trace in the format of a trace file.
func (t *Trace) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "== %s\n", t.Name)
	for _, b := range t.Blocks {
		fmt.Fprintf(&text, "-- %s\n", b.Header)
		for _, line := range b.Lines {
			fmt.Fprintln(&text, line)
		}
	}
	text.WriteString("end\n")
	return text.String()
}
