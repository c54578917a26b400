package child

import (
	"encoding/json"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
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

	LastErrorAt time.Time // when LastError was; zero if there was none

	// NextStart is when a Waiting child starts, once its backoff has said; else it is
	// zero. A pause of centuries reaches 292 years from now.
	NextStart time.Time
	Abandoned int // runs that were left behind and have not returned yet

	Restart    Restart
	Supervisor bool // a supervisor runs, or last ran, in it
}

// MarshalJSON writes the fields in snake case, errors as their text, and
// leaves out what is zero, except for name, path, state, since, restarts and
// restart. Texts are whole, also of several lines; control and format characters in
// them are written as \u escapes, so the JSON itself may be shown in a terminal.
func (s Status) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.fields())
	return oneline.JSON(text), err
}

// statusFields is Status in the form that it has in JSON.
type statusFields struct {
	Name        string    `json:"name"`
	Path        string    `json:"path"`
	State       State     `json:"state"`
	Since       time.Time `json:"since"`
	Restarts    int       `json:"restarts"`
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	Unready     string    `json:"unready,omitempty"`
	NextStart   time.Time `json:"next_start,omitzero"`
	Abandoned   int       `json:"abandoned,omitempty"`
	Restart     Restart   `json:"restart"`
	Supervisor  bool      `json:"supervisor,omitempty"`
}

func (s Status) fields() statusFields {
	f := statusFields{
		Name: s.Name, Path: s.Path, State: s.State, Since: s.Since, Restarts: s.Restarts,
		LastErrorAt: s.LastErrorAt, NextStart: s.NextStart,
		Abandoned: s.Abandoned, Restart: s.Restart, Supervisor: s.Supervisor,
	}
	if s.LastError != nil {
		f.LastError = oneline.Sprint(s.LastError)
	}
	if s.Unready != nil {
		f.Unready = oneline.Sprint(s.Unready)
	}
	return f
}
