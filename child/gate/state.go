package gate

import (
	"time"

	"github.com/coppice-go/coppice/internal/oneline"
)

// A State is what a gate knows of itself. What others hold is in Seen, as far as the engine
// has reported it.
type State struct {
	Running bool // the gate is a child that runs: it stands by or holds the lease
	Open    bool // what it guards runs, and was not asked to stop

	Token int64     // of the lease that it holds; zero: none
	Since time.Time // when it won that lease
	Until time.Time // the moment before which nobody else can hold it; zero: it does not end by itself

	Seen  Holder    // who held the lease when the engine last said so, while the gate stood by
	NoBid time.Time // it does not bid before that, after a failure or Yield; zero: it bids

	EngineErr      error  // of the last request to the engine, if that failed
	Wins           uint64 // how often it has opened, since New
	RenewalsFailed uint64 // how many renewals were not answered, or with an error; not that the lease is lost
}

// timeFormat is how a status text gives a time.
const timeFormat = "2006-01-02T15:04:05Z"

// text returns the status text.
func (s *State) text() string {
	switch {
	case s.Open:
		return "leads with token " + number(s.Token) + " since " + stamp(s.Since)
	case s.Token != 0:
		return "stops with token " + number(s.Token)
	}
	text := "standby"
	switch {
	case s.EngineErr != nil:
		text += ": " + oneline.First(s.EngineErr)
	case !s.NoBid.IsZero():
		text += ", no bid before " + stamp(s.NoBid)
	case s.Seen.ID != "":
		text += ", " + oneline.Text(s.Seen.ID) + " leads with token " + number(s.Seen.Token)
		if !s.Seen.Since.IsZero() {
			text += " since " + stamp(s.Seen.Since)
		}
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format(timeFormat) }
