package otptest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
)

// A Listing is what a supervisor says of its children: OTP's which_children
// and count_children.
type Listing struct {
	Sup      *Node
	Children []Listed // in start order
}

// Listed is one child in a Listing.
type Listed struct {
	Name  string // its id, or under simple_one_for_one its tag
	State child.State
	Dead  bool   // it has ended, and its supervisor does not know yet
	Type  string // of its node
}

// Which returns the children and their states.
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
				name = "?" // it goes by its process, and there is none
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

// Counts returns the counts. How many there are of each type is OTP's type key,
// which has no use in Go, so it is counted here. OTP looks whether a process
// lives, but not under simple_one_for_one: there it knows how many have not ended.
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

// Dump returns the lines that stand after each step for the supervisor of that
// label.
func (l Listing) Dump(label string) []string {
	return []string{
		strings.TrimRight("children "+label+" "+l.Which(), " "),
		"counts " + label + " " + l.Counts(),
	}
}
