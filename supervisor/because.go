package supervisor

import (
	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
)

// An event says why it happened. The machine does not keep that, so the life remembers it,
// from the event that begins something, such as a failure, to the last one that follows.
// It does so only while there is a subscriber.

// A why is what an event says about what led to it.
type why struct {
	reason Reason
	by     string
	event  uint64 // number of the event that led to it
	hung   bool   // that event is an EventHung
}

// whys is what a life remembers. It is guarded by the lock of the life.
type whys struct {
	of    map[*machine.Child]why // of children that are being stopped or started
	last  why                    // of the latest child that ended and stays down
	down  string                 // its name: a child that is removed must not be kept
	group why                    // of the latest group restart
	end   why                    // of the end of the life
	gave  uint64                 // number of EventGaveUp, or of EventClosing if the life ended otherwise
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
	if len(w.of) > 0 {
		want |= settling
	}
	return want
}

// known returns what is remembered of a child.
func (w *whys) known(c *machine.Child) why {
	y, found := w.of[c]
	if !found && c.Name() == w.down {
		return w.last
	}
	return y
}

func (w *whys) set(c *machine.Child, y why) {
	if w.of == nil {
		w.of = make(map[*machine.Child]why)
	}
	w.of[c] = y
}

// why returns what led to an event of the machine. l.mu must be held.
func (l *life) why(c *machine.Child, a *machine.Action, e *Event) why {
	known := l.whys.of[c]
	switch e.Kind {
	case EventStarting:
		switch {
		case known.reason != ReasonNone:
			return known
		case c.Booting():
			return why{reason: ReasonBoot}
		}
		return l.whys.group
	case EventStopping, EventStopped, EventAbandoned:
		if a.Run == 0 { // its pending restart is cancelled
			return known
		}
		switch runOfChild(c).why() {
		case 0: // it ended by itself, before it was its turn
			if l.m.Phase() >= machine.Closing {
				return l.whys.end
			}
			return l.whys.group
		case machine.WhySibling:
			return l.whys.group
		case machine.WhyTimeout, machine.WhyHung:
			return why{reason: ReasonFailed, event: known.event}
		case machine.WhyClosing:
			return l.whys.end
		case machine.WhyRemoved:
			if known.reason != ReasonStartChild { // which removes it again
				known.reason = ReasonRemoveChild // also if StopChild removes it
			}
		}
		return known
	case EventFailed:
		if known.hung {
			return known
		}
		return why{reason: ReasonFailed, event: l.endedIn(c)}
	case EventGaveUp:
		return why{reason: ReasonGaveUp, by: l.pathOf(c), event: known.event}
	case EventRemoved:
		if l.m.Phase() >= machine.Closing {
			return l.whys.end
		}
		return l.whys.known(c)
	case EventReady, EventRestarting:
		return known
	}
	return why{}
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
func (l *life) remember(c *machine.Child, a *machine.Action, e *Event) {
	w := &l.whys
	switch e.Kind {
	case EventFailed, EventCompleted:
		y := why{reason: ReasonFailed, event: e.Seq}
		if e.Kind == EventCompleted {
			y.reason = ReasonCompleted
		}
		if a.Next == machine.StaysDown {
			delete(w.of, c)
			w.down, w.last = c.Name(), y
			return
		}
		w.set(c, y)
		if l.restartsGroups() {
			w.group = why{reason: ReasonGroup, by: e.Path, event: e.Seq}
		}
	case EventHung:
		w.set(c, why{reason: ReasonFailed, event: e.Seq, hung: true})
	case EventStopping:
		if e.Reason == ReasonGroup {
			w.set(c, w.group)
		}
	case EventStopped, EventAbandoned:
		known := w.of[c]
		stays := known.reason == ReasonStopChild || known.reason == ReasonGroup && a.Run == 0 // the group is not restarted
		if stays && !l.removes(c) {
			delete(w.of, c)
		}
	case EventReady, EventRemoved:
		delete(w.of, c)
	case EventGaveUp:
		w.gave = e.Seq
	}
}

// removes reports whether a child is removed when it ends for good.
func (l *life) removes(c *machine.Child) bool {
	return c.Spec.Restart == child.Temporary || !l.ordered
}
