package otptest

import (
	"slices"
	"strconv"
	"strings"
)

// A Tree is a supervision tree on which a scenario is played. Each call returns when the
// tree is quiescent: no child starts, stops or waits for a restart.
type Tree interface {
	// Start starts the root and returns the result of that.
	Start() string
	// Do performs one step and returns its results. A batch has one result for each of
	// its steps.
	Do(Step) []string
	// Events returns the events since the previous call.
	Events() []string
	// Dump returns the state of every running supervisor.
	Dump() []string
	// Down reports whether the root has ended, and why.
	Down() (reason string, down bool)
}

// Play plays a scenario on a tree and returns the trace.
func Play(s *Scenario, tree Tree) *Trace {
	t := &Trace{Name: s.Name}
	block := func(step Step, results ...string) *Block {
		b := Block{Header: strconv.Itoa(len(t.Blocks)) + " " + step.String()}
		for _, e := range s.sortStops(tree.Events()) {
			b.Lines = append(b.Lines, "event "+e)
		}
		for _, r := range results {
			b.Lines = append(b.Lines, strings.TrimRight("result "+r, " "))
		}
		t.Blocks = append(t.Blocks, b)
		return &t.Blocks[len(t.Blocks)-1]
	}
	result := tree.Start()
	b := block(Step{Words: []string{"start"}}, result)
	if result != "ok" {
		b.Lines = append(b.Lines, "root none")
		return t
	}
	steps := s.Steps
	for {
		if reason, down := tree.Down(); down {
			b.Lines = append(b.Lines, "root down "+reason)
			return t
		}
		b.Lines = append(b.Lines, tree.Dump()...)
		b.Lines = append(b.Lines, "root up")
		if len(steps) == 0 {
			return t
		}
		b = block(steps[0], tree.Do(steps[0])...)
		steps = steps[1:]
	}
}

// sortStops sorts each unbroken sequence of stops of children of one simple_one_for_one,
// because they stop concurrently.
func (s *Scenario) sortStops(events []string) []string {
	sup := func(event string) string {
		words := strings.Fields(event)
		if words[0] != "stop" {
			return ""
		}
		return s.supOfTag(words[1])
	}
	for from := 0; from < len(events); {
		to := from + 1
		if owner := sup(events[from]); owner != "" {
			for to < len(events) && sup(events[to]) == owner {
				to++
			}
			slices.Sort(events[from:to])
		}
		from = to
	}
	return events
}

// supOfTag returns the label of the simple_one_for_one under which the tag is started, or
// an empty string.
func (s *Scenario) supOfTag(tag string) string {
	for _, step := range s.Steps {
		for _, x := range append([]Step{step}, step.Batch...) {
			if x.Call() == "start_dyn" && x.Arg(1) == tag {
				return x.Arg(0)
			}
		}
	}
	return ""
}
