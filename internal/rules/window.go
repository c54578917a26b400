package rules

import (
	"time"

	"github.com/coppice-go/coppice/strategy"
)

// A Window is a sliding-window counter of restarts. It keeps one number for each
// restart in the period, never more than the limit; adding one takes constant
// time.
//
// The zero Window has the limit of the zero Intensity.
type Window struct {
	limit strategy.Intensity
	// A ring: count entries from head on, oldest first.
	ring        []time.Duration
	head, count int
}

// NewWindow returns an empty window with the limit i.
func NewWindow(i strategy.Intensity) Window { return Window{limit: i} }

// SetLimit changes the limit and keeps the restarts, as OTP does when a
// running supervisor's flags change.
func (w *Window) SetLimit(i strategy.Intensity) { w.limit = i }

// Add records a restart at now, a reading of a clock that never goes back, and
// reports whether it is permitted. One that is not permitted is not recorded.
func (w *Window) Add(now time.Duration) bool {
	n, period, ok := w.limit.Limit()
	if !ok {
		return true
	}
	for w.count > 0 && now-w.ring[w.head] > period {
		w.head = w.at(1)
		w.count--
	}
	if w.count >= n {
		return false
	}
	if w.count == len(w.ring) {
		w.grow(n)
	}
	w.ring[w.at(w.count)] = now
	w.count++
	return true
}

// at returns where the entry stands that comes so many after the first.
func (w *Window) at(i int) int {
	if i += w.head; i >= len(w.ring) {
		i -= len(w.ring)
	}
	return i
}

// grow makes room for more entries, in steps, so that a limit that is huge and
// never reached costs nothing.
func (w *Window) grow(limit int) {
	size := min(max(4, 2*len(w.ring)), limit)
	ring := make([]time.Duration, size)
	for i := range w.count {
		ring[i] = w.ring[w.at(i)]
	}
	w.ring, w.head = ring, 0
}

// Count returns how many restarts it holds, some of which may be older than the
// period: they go when the next one is added.
func (w *Window) Count() int { return w.count }
