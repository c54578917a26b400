package view

import "time"

// Cause is a group of children that fail alike: their errors are equal once numbers and
// addresses are masked.
type Cause struct {
	ID       string    `json:"id"`                 // stable: the same cause has the same ID in every answer
	Look     string    `json:"look"`               // of the worst member
	Trouble  int       `json:"trouble"`            // of the worst member
	Text     string    `json:"text"`               // the error, with ‹n› and such in place of what differs
	Masked   string    `json:"masked,omitempty"`   // the form they were grouped by, if it is not Text
	N        int       `json:"n"`                  // children in trouble because of it now
	Seen     uint64    `json:"seen"`               // failures with it, as far as the observer has seen
	First    time.Time `json:"first,omitzero"`     // the first failure
	Last     time.Time `json:"last,omitzero"`      // the latest failure
	Path     string    `json:"path"`               // the child where it began, else the first in the tree
	Also     string    `json:"also,omitempty"`     // where the others are, such as "/shop/sessions (4,000 of 100,000)"
	Deadline string    `json:"deadline,omitempty"` // of the cause of Worst: when it ends the process
	Doing    string    `json:"doing"`              // what the tree does about it
	Next     string    `json:"next"`               // what comes next
	Safe     string    `json:"safe,omitempty"`     // what can be done safely; empty: nothing can be derived
	Examples []string  `json:"ex"`                 // paths of some members
	Trend    []int     `json:"trend"`              // failures in each of the last 60 minutes, the oldest first
}
