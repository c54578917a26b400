package child

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Status is what is known of a child at one moment.
type Status struct {
	Name string
	Path string // as /shop/jobs/job-17

	State State
	Since time.Time // when it got into this state

	Restarts  int   // automatic restarts since its supervisor started
	LastError error // of the last failure or OnError, nil if there was none
	Unready   error // what it gave to Unready, nil if it is fine

	NextStart time.Time // of a Waiting child, once its backoff has said; else zero
	Abandoned int       // runs that were left behind and have not returned yet

	Restart    Restart
	Supervisor bool // a supervisor runs, or last ran, in it
}

// MarshalJSON writes the fields in snake case, errors as their text, and
// leaves out what is zero, except for name, path, state, since, restarts and
// restart.
func (s Status) MarshalJSON() ([]byte, error) {
	return json.Marshal(s.fields())
}

// statusFields is Status in the form that JSON is to have.
type statusFields struct {
	Name       string     `json:"name"`
	Path       string     `json:"path"`
	State      State      `json:"state"`
	Since      time.Time  `json:"since"`
	Restarts   int        `json:"restarts"`
	LastError  string     `json:"last_error,omitempty"`
	Unready    string     `json:"unready,omitempty"`
	NextStart  *time.Time `json:"next_start,omitempty"`
	Abandoned  int        `json:"abandoned,omitempty"`
	Restart    Restart    `json:"restart"`
	Supervisor bool       `json:"supervisor,omitempty"`
}

func (s Status) fields() statusFields {
	f := statusFields{
		Name: s.Name, Path: s.Path, State: s.State, Since: s.Since, Restarts: s.Restarts,
		Abandoned: s.Abandoned, Restart: s.Restart, Supervisor: s.Supervisor,
	}
	// By fmt, which survives an Error method that panics, as that of a typed nil.
	if s.LastError != nil {
		f.LastError = fmt.Sprint(s.LastError)
	}
	if s.Unready != nil {
		f.Unready = fmt.Sprint(s.Unready)
	}
	if !s.NextStart.IsZero() {
		f.NextStart = &s.NextStart
	}
	return f
}
