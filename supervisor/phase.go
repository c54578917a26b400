package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// The events of the supervisor itself. They have its own path.

// publishPhase publishes the beginning of a phase. l.mu must be held.
func (l *life) publishPhase(phase EventKind) {
	if l.refused {
		return
	}
	e := &Event{Kind: phase, again: l.parent != nil}
	switch phase {
	case EventUp:
		e.children, e.Took = l.m.Specs(), l.m.Now()
	case EventDraining:
		e.Delay, e.Err = l.drain.limit, l.drain.cause
		e.Reason = ReasonShutdown
	case EventClosing:
		l.explainEnd(e)
	case EventOver:
		end := l.whys.end
		e.Reason, e.By, e.Because = end.reason, end.by, end.event
		e.Err, e.logged = l.err, true // by what led to it
		e.Took = l.m.Now() - l.stopping
		if stop, ok := l.stopErr().(*StopError); ok {
			e.wrong = [2]int{len(stop.Abandoned), len(stop.Unclean)}
		}
	}
	l.publishOwn(e)
	if phase == EventDraining {
		l.asked.event = e.Seq
	}
	if phase == EventClosing && e.Seq > 0 {
		if l.whys.gave == 0 {
			l.whys.gave = e.Seq
		}
		l.whys.of, l.whys.end.event = childWhys{}, e.Seq
	}
}

// explainEnd fills in why the life ends, and prepares the reason of what follows.
func (l *life) explainEnd(e *Event) {
	switch end := l.m.End(); end.Kind {
	case machine.EndAsked:
		e.Err, e.logged = l.closing, l.drain.timer != nil
		e.Reason, e.By, e.Because = ReasonShutdown, l.asked.by, l.asked.event
	case machine.EndAuto:
		e.Err, e.logged = l.reason(), true
		e.Reason, e.By, e.Because = ReasonShutdown, l.pathOf(end.Child), l.whys.known(end.Child).event
	default:
		e.Err, e.logged = l.reason(), true
		e.Reason, e.By, e.Because = ReasonGaveUp, l.pathOf(end.Child), l.whys.known(end.Child).event
		if l.whys.gave > 0 {
			e.Because = l.whys.gave
		}
	}
	l.whys.end = why{reason: e.Reason, by: e.By}
}

// publishOwn publishes an event of the supervisor itself, or of a child that need not exist
// yet. l.mu must be held.
func (l *life) publishOwn(e *Event) {
	if l.refused { // a call has seen it before that
		return
	}
	if e.Path == "" {
		e.Path = l.path
	}
	if l.wants(e) {
		e.Time = time.Now()
		n := entryOf(e)
		l.send(&n, nil)
		e.Seq = n.seq
	}
}
