package view

import "time"

// Children is the answer of children.json. Parameters:
//
//	path     below this supervisor, only its own leaves and supervisors; empty: the whole tree
//	filter   what path, error or status text must contain, without regard to case
//	state    a look, or a child.State
//	mask     the ID of a cause
//	trouble  1: only those in trouble
//	sort     empty: start order; restarts: most first; age: newest state first; name
//	cursor   Next of the answer before
//	n        number of rows: 100 by default, 500 at most
//	at       a moment of the past
type Children struct {
	V        int       `json:"v"`
	At       time.Time `json:"at,omitzero"`
	Total    int       `json:"total"` // that match
	From     int       `json:"from"`  // index of the first row among those
	Children []*Node   `json:"children"`
	Next     string    `json:"next,omitempty"` // cursor of the next rows; empty: there are none
}
