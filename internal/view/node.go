package view

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// Node is a child: the fields of child.Status, and what follows from them.
type Node struct {
	Name        string        `json:"name"`
	Path        string        `json:"path"`
	State       child.State   `json:"state"`
	Since       time.Time     `json:"since,omitzero"`
	Restarts    int           `json:"restarts"`
	Run         uint64        `json:"run,omitempty"`
	Restart     child.Restart `json:"restart"`
	LastError   string        `json:"last_error,omitempty"`
	LastErrorAt time.Time     `json:"last_error_at,omitzero"`
	Unready     string        `json:"unready,omitempty"`
	NextStart   time.Time     `json:"next_start,omitzero"`
	Abandoned   int           `json:"abandoned,omitempty"`
	Text        string        `json:"text,omitempty"`
	StopBy      time.Time     `json:"stop_by,omitzero"`
	Hung        bool          `json:"hung,omitempty"`
	GaveUp      bool          `json:"gave_up,omitempty"`
	Suspended   bool          `json:"suspended,omitempty"`
	Declined    bool          `json:"declined,omitempty"`
	Supervisor  bool          `json:"supervisor,omitempty"`

	Needs []string `json:"needs,omitempty"` // names of siblings, under strategy.Graph
	After []string `json:"after,omitempty"`
	Waits []string `json:"waits,omitempty"` // those of them that it waits for now

	// Look is the one word for how it is: running, starting, stopping, waiting, unready,
	// hung, gaveup, stopped, pending, done, standby, suspended, abandoned, or degraded. Trouble
	// is how bad that is: see package wellness.
	Look    string `json:"look"`
	Trouble int    `json:"trouble,omitempty"` // 0 well, 1 worth a look, 2 trouble, 3 bad

	UnreadySince time.Time `json:"unready_since,omitzero"` // if the observer saw it
	By           string    `json:"by,omitempty"`           // who stopped or suspended it, if the observer saw it
	Slow         bool      `json:"slow,omitempty"`         // Starting for longer than 10 s
	Serves       bool      `json:"serves,omitempty"`       // it serves this answer, or runs the child that does
	Dynamic      bool      `json:"dynamic,omitempty"`      // it was added by StartChild
	Guess        bool      `json:"guess,omitempty"`        // of the past: its state is inferred from later events

	// Of a supervisor.
	Strategy  *strategy.Strategy `json:"strategy,omitempty"`
	Intensity string             `json:"intensity,omitempty"` // such as "3 in 5s"
	Counted   int                `json:"counted,omitempty"`   // restarts that count towards it now
	Degraded  bool               `json:"degraded,omitempty"`  // too many of its dynamic children are in trouble
	All       int                `json:"all,omitempty"`       // children below it, at any depth
	Tr        int                `json:"tr,omitempty"`        // those of them that are in trouble
	Counts    map[string]int     `json:"counts,omitempty"`    // those of them by look

	// Children are the children in start order. If there are too many, Paged is set, and
	// instead there are Folds; children.json has the rows. Children that are supervisors
	// or in the way to one are always in Children.
	Children []*Node `json:"children,omitempty"`
	Paged    bool    `json:"paged,omitempty"`
	Folds    []Fold  `json:"folds,omitempty"`
}

// Fold is what many leaves of a supervisor have in common. Its rows are those of
// children.json?path=PATH&state=LOOK&mask=MASK.
type Fold struct {
	Look     string   `json:"look"`
	N        int      `json:"n"`
	Trouble  int      `json:"trouble,omitempty"`
	Dynamic  bool     `json:"dynamic,omitempty"` // they were added by StartChild, or are below one that was
	Text     string   `json:"text,omitempty"`    // the error that they share
	Mask     string   `json:"mask,omitempty"`    // the cause that they belong to: Cause.ID
	Restarts Span     `json:"restarts"`          // fewest and most
	Since    TimeSpan `json:"since,omitzero"`    // longest and latest in this state
	Next     TimeSpan `json:"next,omitzero"`     // first and last next start, of those that wait
}

// Span is a range of counts.
type Span struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// TimeSpan is a range of times. It is zero if none is known.
type TimeSpan struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Add makes the range include t. A zero t is a time that is not known, and changes nothing.
func (s *TimeSpan) Add(t time.Time) {
	if t.IsZero() {
		return
	}
	if s.To.IsZero() || t.Before(s.From) {
		s.From = t
	}
	if t.After(s.To) {
		s.To = t
	}
}
