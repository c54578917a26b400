package testkit

import (
	"strings"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/supervisor"
)

// CanonicalOrder returns the events in a canonical order. Children that run concurrently do
// not wait for each other, so their events at one instant come in an order that differs
// from run to run. CanonicalOrder sorts such events by path. Two events of one instant may
// change places only if free reports true for them.
func CanonicalOrder(events []supervisor.Event, free func(a, b *supervisor.Event) bool) []supervisor.Event {
	ordered := make([]supervisor.Event, 0, len(events))
	for len(events) > 0 {
		n := 1
		for n < len(events) && events[n].Time.Equal(events[0].Time) {
			n++
		}
		left := append([]supervisor.Event(nil), events[:n]...)
		events = events[n:]
		for len(left) > 0 {
			first := 0
			for i := 1; i < len(left); i++ {
				if left[i].Path < left[first].Path && mayLead(left, i, free) {
					first = i
				}
			}
			ordered = append(ordered, left[first])
			left = append(left[:first], left[first+1:]...)
		}
	}
	return ordered
}

// mayLead reports whether the event at i may come before all that stand before it.
func mayLead(events []supervisor.Event, i int, free func(a, b *supervisor.Event) bool) bool {
	for j := range i {
		if !free(&events[i], &events[j]) {
			return false
		}
	}
	return true
}

// Apart returns the path of the supervisor below which two paths part. It reports
// false if one of them leads through the other.
func Apart(a, b string) (above string, ok bool) {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return strings.Join(as[:i], "/"), true
		}
	}
	return "", false
}

// OneLine returns the text of an error in one line, or "nil".
func OneLine(err error) string {
	if err == nil {
		return "nil"
	}
	return oneline.Of(err)
}
