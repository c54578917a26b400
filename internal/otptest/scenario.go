package otptest

import (
	"slices"
	"strings"
)

// A Scenario is a tree of supervisors and children, and the steps performed on it.
type Scenario struct {
	Name  string
	Tags  []string
	Nodes []*Node // in order of declaration, the root first
	Steps []Step
}

// A Node declares a supervisor or a child. The fields hold the values from the scenario,
// with defaults filled in. Some are invalid on purpose.
type Node struct {
	Label string
	Sup   bool // it is a supervisor

	ID          string // its name among its siblings
	Restart     string
	Significant string
	Shutdown    string // milliseconds, "brutal_kill", "infinity"; empty: not given
	Type        string // affects counts only
	Start       []string
	Term        string // of a child: what it does when it must stop

	// For a supervisor:
	Strategy  string
	Intensity string
	Period    string // seconds
	Auto      string
	Children  []*Node
}

// A Step is one operation on the tree. Words are the words after "step" in the scenario.
// Batch has the steps of a batch.
type Step struct {
	Words []string
	Batch []Step
}

// Call returns the first word, the name of the operation.
func (s Step) Call() string { return s.Words[0] }

// Arg returns argument i, counted from zero, or an empty string.
func (s Step) Arg(i int) string {
	if i+1 < len(s.Words) {
		return s.Words[i+1]
	}
	return ""
}

// String returns the step as it is written in the header of a trace block.
func (s Step) String() string {
	text := strings.Join(s.Words, " ")
	for _, b := range s.Batch {
		text += " ; " + b.String()
	}
	return text
}

// Root returns the root supervisor.
func (s *Scenario) Root() *Node { return s.Nodes[0] }

// Node returns the node with that label, or nil.
func (s *Scenario) Node(label string) *Node {
	for _, n := range s.Nodes {
		if n.Label == label {
			return n
		}
	}
	return nil
}

// Tagged reports whether the scenario has at least one of the tags.
func (s *Scenario) Tagged(tags ...string) bool {
	return slices.ContainsFunc(s.Tags, func(t string) bool { return slices.Contains(tags, t) })
}

// Simple reports whether the node is a simple_one_for_one supervisor of OTP. Its only child
// is the template of the children that are started later, each under its own tag.
func (n *Node) Simple() bool { return n.Strategy == "simple_one_for_one" }

// Template returns the only child of a simple_one_for_one.
func (n *Node) Template() *Node { return n.Children[0] }
