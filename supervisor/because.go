package supervisor

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// An event says why it happened. The machine does not keep that, so the life remembers it,
// from the event that begins something, such as a failure, to the last one that follows.
// It does so only while there is a subscriber.

// A why is what an event says about what led to it. It is copied for each event: the order
// of its fields keeps it at 32 bytes.
type why struct {
	by     string
	event  uint64 // number of the event that led to it
	reason Reason
	hung   bool // that event is an EventHung
}

// whys is what a life remembers. It is guarded by the lock of the life.
type whys struct {
	of    childWhys // of children that are being stopped or started
	last  why       // of the latest child that ended and stays down
	down  string    // its name: a child that is removed must not be kept
	group why       // of the latest group restart
	end   why       // of the end of the life
	gave  uint64    // number of EventGaveUp, or of EventClosing if the life ended otherwise
}

// childWhys is a map that is fast while it has one entry, which is usual.
type childWhys struct {
	one  *machine.Child // nil: none
	why  why            // of one
	more map[*machine.Child]why
}

func (w *childWhys) empty() bool { return w.one == nil && len(w.more) == 0 }

func (w *childWhys) get(c *machine.Child) (y why, found bool) {
	if w.one == c {
		return w.why, true
	}
	if len(w.more) > 0 {
		y, found = w.more[c]
	}
	return y, found
}

func (w *childWhys) set(c *machine.Child, y why) {
	if w.one == nil && len(w.more) == 0 || w.one == c {
		w.one, w.why = c, y
		return
	}
	if w.more == nil {
		w.more = make(map[*machine.Child]why)
	}
	w.more[c] = y
}

func (w *childWhys) forget(c *machine.Child) {
	if w.one == c {
		w.one, w.why = nil, why{}
		return
	}
	if len(w.more) > 0 {
		delete(w.more, c)
	}
}

// settling are the kinds of events that whys must see while it remembers anything.
const settling = 1<<EventReady | 1<<EventStopped | 1<<EventAbandoned | 1<<EventCompleted | 1<<EventRemoved

// leading are the kinds of events that lead to others, also in the same visit to the machine:
// a child that is stopped with its group may be removed at once.
const leading = 1<<EventFailed | 1<<EventCompleted | 1<<EventHung | 1<<EventStopping | 1<<EventRemoved

// wanted returns the kinds that whys must see, given those that have a subscriber.
func (w *whys) wanted(subscribed kinds) (want kinds) {
	if subscribed != 0 {
		want |= leading
	}
	if !w.of.empty() {
		want |= settling
	}
	return want
}

// known returns what is remembered of a child.
func (w *whys) known(c *machine.Child) why {
	y, found := w.of.get(c)
	if !found && c.Name() == w.down {
		return w.last
	}
	return y
}

// explain fills in what led to an event of the machine. l.mu must be held.
func (l *life) explain(c *machine.Child, a *machine.Action, e *entry) {
	y, _ := l.whys.of.get(c)
	switch e.kind {
	case EventReady, EventRestarting:
	case EventStarting:
		switch {
		case y.reason != ReasonNone:
		case c.Booting():
			y = why{reason: ReasonBoot}
		default:
			y = l.groupWhy(c)
		}
	case EventStopping, EventStopped, EventAbandoned:
		if a.Run == 0 { // its pending start is cancelled
			if y.reason == ReasonNone {
				y = l.groupWhy(c)
			}
			break
		}
		switch runOfChild(c).why() {
		case 0: // it ended by itself, before it was its turn
			if l.m.Phase() >= machine.Closing {
				y = l.whys.end
			} else if group := l.groupWhy(c); group.reason != ReasonNone {
				y = group
			}
		case machine.WhySibling:
			if group := l.groupWhy(c); group.reason != ReasonNone { // else it was removed at once
				y = group
			}
		case machine.WhyTimeout, machine.WhyHung:
			y = why{reason: ReasonFailed, event: y.event}
		case machine.WhyClosing:
			y = l.whys.end
		case machine.WhyRemoved:
			if y.reason != ReasonStartChild && y.reason != ReasonApply { // which remove it too
				y.reason = ReasonRemoveChild // also if StopChild removes it
			}
		}
	case EventFailed:
		if !y.hung {
			y = why{reason: ReasonFailed, event: l.endedIn(c)}
		}
	case EventGaveUp:
		y = why{reason: ReasonGaveUp, by: l.pathOf(c), event: y.event}
	case EventRemoved:
		if l.m.Phase() >= machine.Closing {
			y = l.whys.end
		} else {
			y = l.whys.known(c)
		}
	default:
		return
	}
	e.reason, e.by, e.because = y.reason, y.by, y.event
}

// groupWhy returns why a child stops or starts together with another. Under Graph that may be
// one of several at the same time. l.mu must be held.
func (l *life) groupWhy(c *machine.Child) why {
	with := l.m.With(c)
	if with == nil || with == c {
		return l.whys.group
	}
	return why{reason: ReasonGroup, by: l.pathOf(with), event: l.whys.known(with).event}
}

// endedIn returns the number of the event with which the supervisor in a child began to end
// by itself, or zero.
func (l *life) endedIn(c *machine.Child) uint64 {
	if !c.Super {
		return 0
	}
	if nested := runOfChild(c).rareFields().ended; nested != nil {
		return nested.whys.gave // it is over, so this no longer changes
	}
	return 0
}

// remember records what an event means for those that follow. The event has its number.
// l.mu must be held.
func (l *life) remember(c *machine.Child, a *machine.Action, e *entry) {
	w := &l.whys
	switch e.kind {
	case EventFailed, EventCompleted:
		y := why{reason: ReasonFailed, event: e.seq}
		if e.kind == EventCompleted {
			y.reason = ReasonCompleted
		}
		if a.Next == machine.StaysDown {
			w.of.forget(c)
			w.down, w.last = c.Name(), y
			return
		}
		w.of.set(c, y)
		if l.restartsGroups() {
			w.group = why{reason: ReasonGroup, by: e.path, event: e.seq}
		}
	case EventHung:
		w.of.set(c, why{reason: ReasonFailed, event: e.seq, hung: true})
	case EventStopping:
		if e.reason == ReasonGroup {
			w.of.set(c, why{reason: e.reason, by: e.by, event: e.because})
		}
	case EventStopped, EventAbandoned:
		known, _ := w.of.get(c)
		stays := known.reason == ReasonStopChild
		if a.Run == 0 { // it is not started, neither with its group nor as a caller had asked
			stays = stays || known.reason == ReasonGroup || known.reason == ReasonRestartChild
		}
		if stays && !l.removes(c) {
			w.of.forget(c)
		}
	case EventReady, EventRemoved:
		w.of.forget(c)
	case EventGaveUp:
		w.gave = e.seq
	}
}

// removes reports whether a child is removed when it ends for good.
func (l *life) removes(c *machine.Child) bool {
	return c.Spec.Restart == child.Temporary || !l.ordered && !l.graph
}
