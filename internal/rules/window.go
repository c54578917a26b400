package rules

import (
	"slices"
	"time"

	"github.com/coppice-go/coppice/strategy"
)

// A Window is a sliding-window counter of restarts. It keeps one number for each restart
// in the period, and never more than the highest limit so far. Add takes amortized constant time.
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

// SetLimit changes the limit and keeps the recorded restarts, as OTP does when the flags
// of a running supervisor change.
func (w *Window) SetLimit(i strategy.Intensity) { w.limit = i }

// Add records a restart at now if the limit permits it, and reports whether it does. now
// must be a reading of a monotonic clock.
func (w *Window) Add(now time.Duration) bool {
	n, period, ok := w.limit.Limit()
	if !ok {
		return true
	}
	w.drop(now, period)
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

// drop removes the restarts that are older than the period.
func (w *Window) drop(now, period time.Duration) {
	for w.count > 0 && now-w.ring[w.head] > period {
		w.head = w.at(1)
		w.count--
	}
}

// Counted returns the number of restarts that count towards the limit at now; none if there
// is no limit.
func (w *Window) Counted(now time.Duration) int {
	_, period, ok := w.limit.Limit()
	if !ok {
		return 0
	}
	w.drop(now, period)
	return w.count
}

// Copy returns a copy that shares nothing with w, without the restarts that no longer count
// at now.
func (w *Window) Copy(now time.Duration) Window {
	if _, period, ok := w.limit.Limit(); ok {
		w.drop(now, period)
	}
	made := *w
	made.ring = slices.Clone(w.ring)
	return made
}

// Limit returns the limit.
func (w *Window) Limit() strategy.Intensity { return w.limit }

// at returns the index in the ring of entry i, counted from the oldest.
func (w *Window) at(i int) int {
	if i += w.head; i >= len(w.ring) {
		i -= len(w.ring)
	}
	return i
}

// grow makes room for more entries. It grows in steps, so that a huge limit that is never
// reached costs nothing.
func (w *Window) grow(limit int) {
	size := min(max(4, 2*len(w.ring)), limit)
	ring := make([]time.Duration, size)
	for i := range w.count {
		ring[i] = w.ring[w.at(i)]
	}
	w.ring, w.head = ring, 0
}

// Count returns the number of recorded restarts. Some of them may be older than the period:
// Add and Copy drop those, if there is a limit.
func (w *Window) Count() int { return w.count }
