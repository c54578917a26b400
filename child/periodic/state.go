package periodic

import (
	"fmt"
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A State is what a job knows of itself. Counts and times are over all runs, since New.
type State struct {
	Running bool      // from when Run is called until it has returned
	Calling time.Time // when the call that is in progress has begun; zero: there is none
	Next    time.Time // when the next call is due; zero: none is planned

	Last        time.Time     // when the last call that has ended had begun; zero: there was none
	Took        time.Duration // how long it took
	Err         error         // its error; nil if it succeeded
	LastSuccess time.Time     // when the last call that succeeded ended; zero: there was none

	Calls  uint64 // that have ended
	Failed uint64 // those that returned an error or panicked
	Missed uint64 // times that passed without a call
}

// text returns the status text.
func (s *State) text() string {
	switch {
	case !s.Calling.IsZero():
		return "running since " + stamp(s.Calling)
	case s.Last.IsZero():
		return s.nextText()
	case s.Err == nil:
		text := fmt.Sprintf("last %s took %v", stamp(s.Last), short(s.Took))
		if next := s.nextText(); next != "" {
			text += ", " + next
		}
		return text
	}
	text := fmt.Sprintf("last %s failed after %v: %s", stamp(s.Last), short(s.Took), oneline.First(s.Err))
	if next := s.nextText(); next != "" {
		text = next + ", " + text // first, because the error may be long
	}
	return text
}

func (s *State) nextText() string {
	if s.Next.IsZero() {
		return ""
	}
	return "next " + stamp(s.Next)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// short rounds a duration to three digits or so.
func short(d time.Duration) time.Duration {
	for unit := time.Second; unit > time.Nanosecond; unit /= 10 {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d
}
