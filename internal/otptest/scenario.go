package otptest

import (
	"slices"
	"strings"
)

// A Scenario is a tree of supervisors and children, and what is done to it.
type Scenario struct {
	Name  string
	Tags  []string
	Nodes []*Node // in declared order, the root first
	Steps []Step
}

// A Node declares a supervisor or a child. The fields are the words of the
// scenario, with defaults filled in; some are wrong on purpose.
type Node struct {
	Label string
	Sup   bool // it is a supervisor

	ID          string // its name among its siblings
	Restart     string
	Significant string
	Shutdown    string // milliseconds, "brutal_kill", "infinity"; empty: not given
	Type        string // counts only
	Start       []string
	Term        string // of a child: what it does when it is to stop

	// Of a supervisor.
	Strategy  string
	Intensity string
	Period    string // seconds
	Auto      string
	Children  []*Node
}

// A Step is one thing done to the tree. The words are those of the scenario
// after "step"; a batch has its steps in Batch.
type Step struct {
	Words []string
	Batch []Step
}

// Call is the first word: what to do.
func (s Step) Call() string { return s.Words[0] }

// Arg is word number i after the call, or nothing.
func (s Step) Arg(i int) string {
	if i+1 < len(s.Words) {
		return s.Words[i+1]
	}
	return ""
}

// String returns the step as the header of a trace block has it.
func (s Step) String() string {
	text := strings.Join(s.Words, " ")
	for _, b := range s.Batch {
		text += " ; " + b.String()
	}
	return text
}

// Root returns the supervisor at the top.
func (s *Scenario) Root() *Node { return s.Nodes[0] }

// Node returns the node of that label, or nil.
func (s *Scenario) Node(label string) *Node {
	for _, n := range s.Nodes {
		if n.Label == label {
			return n
		}
	}
	return nil
}

// Tagged reports whether the scenario has one of the tags.
func (s *Scenario) Tagged(tags ...string) bool {
	return slices.ContainsFunc(s.Tags, func(t string) bool { return slices.Contains(tags, t) })
}

// Simple reports whether the node is OTP's simple_one_for_one: its one child
// is the template of children that are started later, under a tag each.
func (n *Node) Simple() bool { return n.Strategy == "simple_one_for_one" }

// Template returns the one child of a simple_one_for_one.
func (n *Node) Template() *Node { return n.Children[0] }
