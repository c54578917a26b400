package coppiceprom

import "github.com/coppice-go/coppice/internal/wellness"

// A Spec sets what a Collector exports. The zero Spec is a good start.
type Spec struct {
	// SeriesFor asks for series of a child that has none by default: one that was added
	// with StartChild, or runs under an Independent supervisor. It is called with the path
	// of each such child, such as "/shop/conns/conn-17", at each scrape and for each event
	// of a child that has no series yet, so it should be fast. It may be called from
	// several goroutines at once, and must not scrape the collector. A panic in it is
	// logged to slog.Default() once and counts as no. Nil asks for none.
	//
	// The series of a removed child keep their last counts until others need the room.
	// Paths of more than 1,024 bytes are refused.
	SeriesFor func(path string) bool

	// MaxSeries limits the number of series of this tree. A child has 13, a supervisor 49
	// more with the default buckets, a gate 4 more, and a periodic job 1 more. Children
	// beyond the limit are counted under SUPERVISOR/*, and coppice_series_omitted says how
	// many series are missing. What has series keeps them; of the others, declared children
	// come first. The tree itself and its root always have theirs, which are 59. Zero, or
	// less, means 10,000.
	MaxSeries int

	// DegradedAbove is the share of the children without series of their own that may be
	// in trouble before coppice_supervisor_degraded is 1. Zero, or less, means 0.1.
	DegradedAbove float64

	// Buckets are the upper bounds, in seconds, of the classic buckets of both histograms,
	// in increasing order; otherwise New panics. Nil means 1 ms to 1 minute in 13 steps.
	// The histograms are native histograms too, with up to 160 buckets.
	Buckets []float64
}

// defaultBuckets are the bounds that docs/metrics.md gives.
var defaultBuckets = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

const (
	defaultMaxSeries = 10_000

	// maxAskedPath is the length of the longest path that SeriesFor can ask for. Names
	// of dynamic children may come from outside of the program.
	maxAskedPath = 1024
)

// withDefaults returns the spec with its zero fields replaced.
func (s Spec) withDefaults() Spec {
	if s.MaxSeries <= 0 {
		s.MaxSeries = defaultMaxSeries
	}
	if !(s.DegradedAbove > 0) { // NaN, too
		s.DegradedAbove = wellness.MostInTrouble
	}
	if len(s.Buckets) == 0 {
		s.Buckets = defaultBuckets
	}
	return s
}
