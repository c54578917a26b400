package view

import "time"

// Child is the answer of child?path=PATH&at=TIME.
type Child struct {
	V       int       `json:"v"`
	Now     time.Time `json:"now"`
	At      time.Time `json:"at,omitzero"`
	Node    *Node     `json:"node"`              // without children
	Say     string    `json:"say"`               // one sentence: what it does
	Why     uint64    `json:"why,omitempty"`     // number of the event that explains its state; zero: the observer does not have it
	Error   string    `json:"error,omitempty"`   // its unready or last error in full
	Spec    []string  `json:"spec"`              // its spec in words, a sentence each
	Next    []Next    `json:"next"`              // what comes next, in order
	Acts    []Choice  `json:"acts"`              // what the caller may request now
	Events  []Event   `json:"events"`            // the last ones, its own and those below it, of the status texts of a child only the last; the latest first
	Panic   *Panic    `json:"panic,omitempty"`   // its last panic
	History *History  `json:"history,omitempty"` // its failures, also over restarts of its supervisor
}

// Next is one thing that comes next.
type Next struct {
	At   time.Time `json:"at,omitzero"` // when; zero: not known, or after the one before
	Text string    `json:"text"`
}

// Choice is an action that may be requested, and what it means.
type Choice struct {
	Action  Action   `json:"action"`
	Run     uint64   `json:"run"`               // the run that was seen: Act.Run
	Also    []string `json:"also"`              // paths of others that it concerns, at most twenty
	AlsoN   int      `json:"also_n"`            // how many there are
	WellN   int      `json:"well_n"`            // how many of them are well now
	Longest string   `json:"longest,omitempty"` // the longest that the stop may take, such as "5s", or "no limit"
	Force   bool     `json:"force,omitempty"`   // Act.Force is required: it stops what serves this answer
	Text    string   `json:"text"`              // one sentence: what it does
}

// Panic is the last panic of a child that the observer has seen.
type Panic struct {
	Run   uint64    `json:"run"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"`
	Stack string    `json:"stack"`
}

// History counts the failures of a path.
type History struct {
	Failures  uint64    `json:"failures"`
	First     time.Time `json:"first"`
	FirstText string    `json:"first_text"`
	FirstSeq  uint64    `json:"first_seq"` // number of its event
	Last      time.Time `json:"last"`
	LastText  string    `json:"last_text"`
	LastSeq   uint64    `json:"last_seq"`
}

// Goroutines is the answer of goroutines?path=PATH&force=1: the goroutines that carry the
// label of the child, and of those below it. It requires observer.Label.
type Goroutines struct {
	V       int       `json:"v"`
	At      time.Time `json:"at"`      // when they were read; answers within a second share one reading
	All     int       `json:"all"`     // goroutines of the process
	Labeled int       `json:"labeled"` // those of them with any label of a child; zero: Label is not used
	Stacks  []Stack   `json:"stacks"`  // most goroutines first, at most 100
	More    int       `json:"more"`    // stacks that are left out
}

// Stack is a stack that N goroutines share.
type Stack struct {
	N     int    `json:"n"`
	Path  string `json:"path"`  // of the child
	Stack string `json:"stack"` // function, and on the next line a tab, file and line; innermost first
}
