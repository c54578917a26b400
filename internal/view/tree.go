package view

import "time"

// Head is the part that tree.json and causes.json share: is it well, and what is it?
type Head struct {
	V    int       `json:"v"`
	Now  time.Time `json:"now"`         // when the answer was made, by the clock of the server
	At   time.Time `json:"at,omitzero"` // the moment of the past that is shown; zero: now
	Name string    `json:"name"`        // of the root
	Path string    `json:"path"`        // of the root

	State   State     `json:"state"`            // is it well?
	Since   time.Time `json:"since,omitzero"`   // since when, as far as the observer knows
	Started time.Time `json:"started,omitzero"` // when the root was started last
	Say     string    `json:"say"`              // one sentence: the verdict
	Before  string    `json:"before,omitempty"` // how the process before this one ended, if it was killed or crashed

	Host       string `json:"host,omitempty"`    // name of the machine
	Version    string `json:"version,omitempty"` // of the main module of the program
	Go         string `json:"go"`                // such as go1.26.8
	Goroutines int    `json:"goroutines"`
	Heap       uint64 `json:"heap"` // bytes of live and not yet collected objects

	Children int            `json:"children"` // all below the root
	Trouble  int            `json:"trouble"`  // those of them that are in trouble
	Counts   map[string]int `json:"counts"`   // by look

	May    []Action `json:"may"`              // actions that there are; empty: read-only, or the past. Child.Acts has those that are permitted
	Ring   Ring     `json:"ring"`             // what the observer remembers
	Missed *Missed  `json:"missed,omitempty"` // what happened since the event ?seen=
	Worst  *Worst   `json:"worst,omitempty"`  // the soonest give-up that reaches the root

	Causes     []Cause     `json:"causes"`      // at most ten; Worst first, then those in trouble now
	MoreCauses int         `json:"more_causes"` // how many more causes there are
	Recovered  []Recovered `json:"recovered"`   // in the last hour, the latest first
}

// Tree is the answer of tree.json?at=TIME&seen=SEQ&path=PATH. With path, Tree is the
// subtree of that child.
type Tree struct {
	Head
	Tree *Node `json:"tree"`
}

// Causes is the answer of causes.json?at=TIME&seen=SEQ.
type Causes struct {
	Head
}

// State says whether a tree is well.
type State string

const (
	Well     State = "well"
	Starting State = "starting" // nothing is in trouble, but not all declared children have been ready yet
	Degraded State = "degraded" // a declared child is in trouble, or a supervisor is degraded
	Stopping State = "stopping" // the root drains or stops
	Down     State = "down"     // the root has ended, or was never started
)

// Ring says which events the observer has.
type Ring struct {
	From  time.Time `json:"from,omitzero"` // since when nothing but status texts is missing; zero: it has no events yet
	First uint64    `json:"first"`         // number of the first event that it has
	Last  uint64    `json:"last"`          // number of the latest event
	Kept  int       `json:"kept"`          // number of events that it has
	Lost  uint64    `json:"lost"`          // events that it never got, since it was too slow
}

// Worst is the soonest give-up that ends the root, if the child at Path keeps failing.
type Worst struct {
	Path string    `json:"path"`
	At   time.Time `json:"at"`   // at the earliest
	Left int       `json:"left"` // restarts until the supervisor of the child gives up; -1: not known
	Text string    `json:"text"` // one sentence
}

// Recovered is something that was in trouble and is well again.
type Recovered struct {
	Path  string        `json:"path"`           // of the first child
	Paths int           `json:"paths"`          // number of children that recovered from the same cause
	Text  string        `json:"text"`           // what the trouble was
	N     int           `json:"n"`              // failures, of all of these children
	Down  time.Duration `json:"down"`           // the longest time that one of them was not ready
	At    time.Time     `json:"at"`             // when the last of them was ready again
	With  string        `json:"with,omitempty"` // children that were restarted with it, such as "decoder, publisher"
}
