package view

import (
	"time"

	"github.com/coppice-go/coppice/supervisor"
)

// Event is a supervisor.Event as the observer keeps it, or several alike in a row.
type Event struct {
	Seq      uint64               `json:"seq"` // number in the observer; it does not start over with the root
	Time     time.Time            `json:"time"`
	Kind     supervisor.EventKind `json:"event"`
	Path     string               `json:"path"`
	Run      uint64               `json:"run,omitempty"`
	Restarts int                  `json:"restarts,omitempty"`
	Ready    bool                 `json:"ready,omitempty"`
	Err      string               `json:"err,omitempty"`
	Delay    string               `json:"delay,omitempty"` // such as "1.5s"
	Text     string               `json:"text,omitempty"`  // of a status
	Lost     uint64               `json:"lost,omitempty"`  // events before this one that the observer never got
	Reason   supervisor.Reason    `json:"reason,omitempty"`
	By       string               `json:"by,omitempty"`
	Because  uint64               `json:"because,omitempty"` // Seq of the event that led to it, if the observer had it

	// Of a fold in events.json: the number of events, and of their paths, and the time of
	// the last one. The other fields are those of the first one, but Text is that of the last:
	// all status texts of a run that are close are one fold.
	N      int       `json:"n,omitempty"`
	Paths  int       `json:"paths,omitempty"`
	TimeTo time.Time `json:"time_to,omitzero"`
}

// Events is the answer of events.json. Parameters:
//
//	path    what the path must begin with
//	kind    an event kind, or "trouble": failed, hung, gave-up, abandoned, unready, error
//	at      only events until then, and of the whole millisecond
//	since   only events after then
//	seen    only events after this number
//	because the number of an event: that event and what led to it, step by step
//	order   oldest: the oldest first, from since on
//	fold    0: like events that are close are not folded
//	n       number of events: 200 by default, 1,000 at most
type Events struct {
	V      int       `json:"v"`
	From   time.Time `json:"from"` // of the lanes: an hour before To
	To     time.Time `json:"to"`
	Ring   Ring      `json:"ring"`
	Lanes  []Lane    `json:"lanes"`  // one for each cause, by their first failure, and one for the rest
	Events []Event   `json:"events"` // the latest first
	More   bool      `json:"more"`   // there are older ones
}

// Lane is a row of the timeline.
type Lane struct {
	ID    string `json:"id,omitempty"`   // of the cause; empty: all other events
	Path  string `json:"path,omitempty"` // where it began
	Text  string `json:"text"`
	Look  string `json:"look"`  // as it is now; running: it has recovered
	Label string `json:"label"` // for a screen reader
	Bins  []int  `json:"bins"`  // events in each of the 60 minutes
}

// Missed says which events a reader does not have. It is also the data of the server-sent
// event "missed".
type Missed struct {
	N    uint64    `json:"n"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	Kept uint64    `json:"kept"` // how many of them events.json still has
}

// Bye is the data of the server-sent event "bye", the last one of a stream.
type Bye struct {
	Text string `json:"text"` // why, such as "the server stops"
}

// Tick is the data of the server-sent event "tick": something has happened. With
// events?ticks=1 a stream consists of ticks, at most two a second, and at least one every
// ten seconds.
type Tick struct {
	Seq uint64 `json:"seq"` // number of the latest event
}

// Names of server-sent events. An Event has no name, and its id is Event.Seq.
const (
	MissedEvent = "missed"
	TickEvent   = "tick"
	ByeEvent    = "bye"
)
