package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report counts what Play did and what came of it. String is a table,
// and JSON has the same.
type Report struct {
	Name     string        `json:"name"`
	Seed     uint64        `json:"seed"`
	Live     bool          `json:"live"` // not in virtual time
	Duration time.Duration `json:"-"`
	Ticks    int           `json:"ticks"`
	Actions  int           `json:"actions"` // that the seed gave; Done has those that found somebody

	Done   map[string]int    `json:"done"`   // what was done, how often
	Errors map[string]int    `json:"errors"` // what calls returned, by kind
	Events map[string]uint64 `json:"events"` // of the tree, by kind
	Lost   uint64            `json:"lost"`   // events that came too fast to be looked at

	Started      uint64 `json:"started"`       // runs
	Ended        uint64 `json:"ended"`         // runs that have returned
	MostChildren int    `json:"most_children"` // of those added, as the tree showed them at a check
	Checks       int    `json:"checks"`        // comparisons of what the tree says with what runs
	Again        int    `json:"again"`         // starts of the whole tree, after it had given up

	Broken []string `json:"broken"` // what did not hold
	Trace  []string `json:"-"`      // what happened; live, the last of it
}

// MarshalJSON writes the counters in snake case, the duration in seconds. The
// trace is left out.
func (r *Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		*plain
		Seconds float64 `json:"seconds"`
	}{(*plain)(r), r.Duration.Seconds()})
}

// String returns a table of the counters.
func (r *Report) String() string {
	var text strings.Builder
	how := "virtual"
	if r.Live {
		how = "live"
	}
	fmt.Fprintf(&text, "%s: seed %d, %v %s, %d ticks, %d actions\n", r.Name, r.Seed, r.Duration, how, r.Ticks, r.Actions)
	row := func(group, name string, n any) { fmt.Fprintf(&text, "  %-7s %-24s %10v\n", group, name, n) }
	for _, name := range sortedKeys(r.Done) {
		row("done", name, r.Done[name])
	}
	for _, name := range sortedKeys(r.Errors) {
		row("error", name, r.Errors[name])
	}
	for _, name := range sortedKeys(r.Events) {
		row("event", name, r.Events[name])
	}
	if r.Lost > 0 {
		row("event", "lost", r.Lost)
	}
	row("runs", "started", r.Started)
	row("runs", "ended", r.Ended)
	row("most", "children", r.MostChildren)
	row("tree", "checked", r.Checks)
	row("tree", "started again", r.Again)
	row("broken", "", len(r.Broken))
	return strings.TrimSuffix(text.String(), "\n")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
