// Package wellness has the one table that says whether a child is well. The page, the
// command coppice and metrics use it, so that they agree.
//
//	state     and                                        look       level
//	running                                              running    0
//	running   its status text begins with "standby"      standby    0
//	running   Suspended                                  suspended  0: an operator has decided so
//	running   earlier runs were abandoned                abandoned  1: their goroutines are still there
//	running   Unready                                    unready    2
//	running   a supervisor that is Degraded              degraded   2
//	starting                                             starting   0
//	starting  for longer than SlowStart                  starting   1
//	starting  after a failure                            starting   2
//	stopping                                             stopping   0: it was asked to stop
//	stopping  Hung                                       hung       3
//	waiting   Hung                                       hung       3
//	waiting   no failure: with its group, or for Resume  waiting    1
//	waiting   after a failure                            waiting    2
//	stopped   not run yet: it is InLine                  pending    0: its turn to start has not come
//	stopped                                              stopped    0: by hand, with its group, or it declined to run
//	stopped   its last run ended with an error           stopped    1: it stays stopped
//	stopped   GaveUp                                     gaveup     3
//	done                                                 done       0: ended as it should
//	done      GaveUp                                     gaveup     3
//
// If several rows apply, the one with the highest level counts.
//
// A dynamic child, that is one that was added by StartChild, is like any other for
// itself. But its trouble, and that of everything below it, does not make the tree
// degraded: connections and jobs fail all the time. Only when more than a tenth of the
// dynamic children of a supervisor are in trouble, that supervisor is Degraded. The
// supervisor then counts as a child in trouble: see Degraded.
package wellness

import (
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A Level says how bad something is.
type Level int

const (
	Well    Level = iota // as it should be
	Notice               // works, but is worth a look
	Trouble              // does not do its work
	Bad                  // does not do its work, and nothing helps by itself
)

// A Look is the one word for how a child is.
type Look string

const (
	Running   Look = "running"
	Starting  Look = "starting"
	Stopping  Look = "stopping"
	Waiting   Look = "waiting"
	Unready   Look = "unready"
	Hung      Look = "hung"
	GaveUp    Look = "gaveup"
	Stopped   Look = "stopped"
	Pending   Look = "pending" // see InLine
	Done      Look = "done"
	Standby   Look = "standby"
	Suspended Look = "suspended"
	Abandoned Look = "abandoned"
	Degrades  Look = "degraded" // see Degraded
)

// SlowStart is how long a start may take before it is worth a look. It is when the
// supervisor emits EventSlowStart.
const SlowStart = 10 * time.Second

// Of returns how a child is at a moment, according to the table. Whether a supervisor is
// degraded must be asked with Degraded, and whether a child is pending with InLine.
func Of(s *child.Status, now time.Time) (Look, Level) {
	switch s.State {
	case child.Running:
		switch {
		case s.Unready != nil:
			return Unready, Trouble
		case s.Abandoned > 0:
			return Abandoned, Notice
		case s.Suspended:
			return Suspended, Well
		case strings.HasPrefix(s.Text, "standby"):
			return Standby, Well
		}
		return Running, Well
	case child.Starting:
		switch {
		case s.Failing:
			return Starting, Trouble
		case now.Sub(s.Since) > SlowStart, s.Abandoned > 0:
			return Starting, Notice
		}
		return Starting, Well
	case child.Stopping:
		if s.Hung {
			return Hung, Bad
		}
		return Stopping, Well
	case child.Waiting:
		switch {
		case s.Hung:
			return Hung, Bad
		case !s.Failing: // it may have an old error
			return Waiting, Notice
		}
		return Waiting, Trouble
	case child.Done:
		if s.GaveUp {
			return GaveUp, Bad
		}
		return Done, Well
	}
	switch {
	case s.GaveUp:
		return GaveUp, Bad
	case !s.LastErrorAt.IsZero() && !s.LastErrorAt.Before(s.Since), s.Abandoned > 0:
		return Stopped, Notice
	}
	return Stopped, Well
}

// InLine reports whether a child has not run yet because its supervisor is starting, and
// those before it come first.
func InLine(s, supervisor *child.Status) bool {
	return s.State == child.Stopped && s.Run == 0 && supervisor.State == child.Starting && !supervisor.Suspended
}

// InTrouble reports whether a child does not do its work: its level is Trouble or Bad. That
// does not depend on the time.
func InTrouble(s *child.Status) bool {
	_, level := Of(s, s.Since)
	return level >= Trouble
}

// MostInTrouble is the share of the dynamic children of a supervisor that may be in
// trouble, unless another is set.
const MostInTrouble = 0.1

// Degraded reports whether a supervisor is degraded: more than a share of its dynamic
// children are in trouble, that is, have at least the level Trouble. A share of zero or
// less means MostInTrouble.
func Degraded(dynamic, inTrouble int, share float64) bool {
	if share <= 0 {
		share = MostInTrouble
	}
	return inTrouble > 0 && float64(inTrouble) > share*float64(dynamic)
}
