package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report counts the actions of Play and their effects. String returns it as a table, and
// MarshalJSON has the same counters.
type Report struct {
	Name     string        `json:"name"`
	Seed     uint64        `json:"seed"`
	Live     bool          `json:"live"` // in real time, not in virtual time
	Duration time.Duration `json:"-"`
	Ticks    int           `json:"ticks"`
	Actions  int           `json:"actions"` // given by the seed; Done counts those that found a child

	Done   map[string]int    `json:"done"`   // actions done, by kind
	Errors map[string]int    `json:"errors"` // errors that calls returned, by kind
	Events map[string]uint64 `json:"events"` // events of the tree, by kind
	Lost   uint64            `json:"lost"`   // events that the tree dropped because they came too fast

	Started      uint64 `json:"started"`       // runs that have begun
	Ended        uint64 `json:"ended"`         // runs that have returned
	MostChildren int    `json:"most_children"` // the most children added by Play that a check found
	Checks       int    `json:"checks"`        // comparisons of the tree's own view with the live runs
	Again        int    `json:"again"`         // starts of the whole tree after it had given up

	Broken []string `json:"broken"` // what did not hold
	Trace  []string `json:"-"`      // actions and events in order; live, only the last ones
}

// MarshalJSON returns the counters, with names in snake case and the duration in seconds.
// It omits the trace.
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
