package child

import (
	"encoding/json"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A Status is a snapshot of a child.
type Status struct {
	Name string
	Path string // such as /shop/jobs/job-17

	State State
	Since time.Time // when the child entered this state

	Restarts  int   // automatic restarts since its supervisor started, at most 2,147,483,647
	LastError error // of the last failure or OnError; nil if there was none
	Unready   error // what the child passed to Unready; nil unless it is unready

	LastErrorAt time.Time // when LastError occurred; zero if there was none

	// NextStart is when a Waiting child starts. It is zero if the child is not
	// Waiting, and until its backoff has returned a delay. A delay of centuries is
	// cut to 292 years from now.
	NextStart time.Time
	Abandoned int // runs that were abandoned and have not returned yet

	Restart    Restart
	Supervisor bool // a supervisor runs, or last ran, in the child

	// Run is the number of the child's latest run, and zero before the first. Runs are
	// numbered over the whole tree, also over restarts of supervisors and of the root,
	// so no two runs of a tree have the same number.
	Run uint64

	Text      string    // what the child has passed to ctx.Status in this run; empty unless it is alive; "draining" for a root that drains
	StopBy    time.Time // Stopping: when the run will be abandoned; zero if there is no limit
	Failing   bool      // Waiting or Starting: since its last run or start failed; else for its group, a request, or Resume
	Hung      bool      // Stopping or Waiting: because it missed its heartbeat
	Declined  bool      // Stopped: its run ended with ErrIgnore before it was ready
	GaveUp    bool      // Done: the supervisor in it gave up; for a root, from the moment it gives up
	Suspended bool      // of a supervisor that runs: Suspend was called
	Added     bool      // StartChild has added it, or Upgrade has removed it from the supervisor's spec
}

// MarshalJSON writes the fields in snake case, and errors as their text. Fields with the
// zero value are omitted, except for name, path, state, since, restarts and restart.
// Texts are complete, even those of several lines. Control and format characters are
// written as \u escapes, so the JSON is safe to show in a terminal.
func (s Status) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(s.fields())
	return oneline.JSON(text), err
}

// statusFields is the JSON form of Status.
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
	Run         uint64    `json:"run,omitempty"`
	Text        string    `json:"text,omitempty"`
	StopBy      time.Time `json:"stop_by,omitzero"`
	Failing     bool      `json:"failing,omitempty"`
	Hung        bool      `json:"hung,omitempty"`
	Declined    bool      `json:"declined,omitempty"`
	GaveUp      bool      `json:"gave_up,omitempty"`
	Suspended   bool      `json:"suspended,omitempty"`
	Added       bool      `json:"added,omitempty"`
}

func (s Status) fields() statusFields {
	f := statusFields{
		Name: s.Name, Path: s.Path, State: s.State, Since: s.Since, Restarts: s.Restarts,
		LastErrorAt: s.LastErrorAt, NextStart: s.NextStart,
		Abandoned: s.Abandoned, Restart: s.Restart, Supervisor: s.Supervisor,
		Run: s.Run, Text: s.Text, StopBy: s.StopBy, Failing: s.Failing, Hung: s.Hung, Declined: s.Declined,
		GaveUp: s.GaveUp, Suspended: s.Suspended, Added: s.Added,
	}
	if s.LastError != nil {
		f.LastError = oneline.Sprint(s.LastError)
	}
	if s.Unready != nil {
		f.Unready = oneline.Sprint(s.Unready)
	}
	return f
}
