package otptest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
)

// A Listing is the children of a supervisor, from which the results of OTP's which_children
// and count_children are made.
type Listing struct {
	Sup      *Node
	Children []Listed // in start order
}

// Listed is one child in a Listing.
type Listed struct {
	Name  string // its id, or its tag under simple_one_for_one
	State child.State
	Dead  bool   // it has ended, but its supervisor does not know yet
	Type  string // of its node
}

// Which returns the children and their states, like which_children.
func (l Listing) Which() string {
	var entries []string
	for _, c := range l.Children {
		name, state := c.Name, c.State.String()
		switch c.State {
		case child.Running:
			state = "run"
		case child.Waiting:
			state = "restarting"
			if l.Sup.Simple() {
				name = "?" // OTP names it by its process, and there is none
			}
		case child.Stopped, child.Done:
			state = "undefined"
		}
		entries = append(entries, name+"="+state)
	}
	if l.Sup.Simple() {
		slices.Sort(entries)
	}
	return strings.Join(entries, " ")
}

// Counts returns the counts, like count_children. OTP counts supervisors and workers by the
// type key of the spec. Coppice has no such key, so Listed carries it. OTP checks whether
// each process is alive, except under simple_one_for_one, where a process counts until OTP
// has handled its end.
func (l Listing) Counts() string {
	specs, active, supervisors := len(l.Children), 0, 0
	for _, c := range l.Children {
		if c.State.Alive() && (l.Sup.Simple() || !c.Dead) {
			active++
		}
		if c.Type == "supervisor" {
			supervisors++
		}
	}
	workers := specs - supervisors
	if l.Sup.Simple() {
		specs = 1
	}
	return fmt.Sprintf("specs=%d active=%d supervisors=%d workers=%d", specs, active, supervisors, workers)
}

// Dump returns the lines that a trace has after each step for the supervisor with that
// label.
func (l Listing) Dump(label string) []string {
	return []string{
		strings.TrimRight("children "+label+" "+l.Which(), " "),
		"counts " + label + " " + l.Counts(),
	}
}
