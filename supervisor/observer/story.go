package observer

import (
	"fmt"
	"hash/fnv"
	"time"
)

// What is remembered beyond the ring is bounded by these numbers.
const (
	mostCauses    = 256    // causes: the least recent one is forgotten
	mostPaths     = 10_000 // paths with failures: the least recent one is forgotten
	mostFirsts    = 256    // first failures of storms, and as many give-ups
	mostRecovered = 64
	mostPanics    = 64
)

// calm is how long a cause must have been absent before its next failure begins a new
// storm.
const calm = time.Minute

// minutes is the length of a trend.
const minutes = 60

// A story is what is remembered of a cause.
type story struct {
	id          string
	form        string
	text        shared
	first, last time.Time
	path        string // of the first failure
	seen        uint64
	bins        [minutes]uint32 // failures by minute, the latest last
	minute      int64           // of the latest bin
	element     lruElement[*story]
}

// idOf returns the ID of a cause.
func idOf(form string) string {
	h := fnv.New64a()
	h.Write([]byte(form))
	return fmt.Sprintf("%016x", h.Sum64())
}

// count counts one failure.
func (s *story) count(at time.Time) {
	s.shift(at)
	if i := minutes - 1 - int(s.minute-minuteOf(at)); i >= 0 && i < minutes {
		s.bins[i]++
	}
	s.seen++
}

// shift moves the bins so that the latest one is that of a moment.
func (s *story) shift(at time.Time) {
	m := minuteOf(at)
	if m <= s.minute {
		return
	}
	by := m - s.minute
	if by >= minutes || s.minute == 0 {
		s.bins = [minutes]uint32{}
	} else {
		copy(s.bins[:], s.bins[by:])
		clear(s.bins[minutes-by:])
	}
	s.minute = m
}

// trend returns the bins of the hour that ends at a moment.
func (s *story) trend(now time.Time) []int {
	bins := make([]int, minutes)
	for i := range bins {
		if j := i + int(minuteOf(now)-s.minute); j >= 0 && j < minutes {
			bins[i] = int(s.bins[j])
		}
	}
	return bins
}

func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// A past is what is remembered of a path. It survives the child and its supervisor.
type past struct {
	path     string
	failures uint64
	first    moment // failure
	last     moment

	// Of the trouble that goes on, if any.
	down    time.Time // since when
	why     string    // form of its cause
	whyText string
	n       uint64 // failures in it
	with    []string
	withN   int

	before time.Duration // how long it was down in trouble that was over only for a moment

	healed       *recovery     // of the trouble before that
	healedN      uint64        // failures in it
	healedWith   int           // children that were restarted with it
	healedFrom   time.Time     // when it began
	healedBefore time.Duration // before, of it
	healedAt     time.Time     // when it was over

	hung    bool      // the failure that follows is the missed heartbeat, which has been counted
	unready time.Time // since when it is not ready, while it runs
	by      string    // operator who stopped it, while it is stopped

	suspendedBy string // operator who suspended the supervisor

	element lruElement[*past]
}

// A moment is a failure.
type moment struct {
	at   time.Time
	text string
	seq  uint64
}

// A recovery is trouble that is over, of all children with the same cause.
type recovery struct {
	path  string
	paths int
	form  string
	text  shared
	n     uint64
	down  time.Duration
	at    time.Time
	with  []string
	withN int
}

// A panicked is the last panic of a path.
type panicked struct {
	path  string
	run   uint64
	at    time.Time
	text  string
	stack string
}
