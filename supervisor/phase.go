package supervisor

import (
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// The events of the supervisor itself. They have its own path.

// publishPhase publishes the beginning of a phase. l.mu must be held. The last child that ends
// calls it on the stack with which a goroutine begins. That would have to grow for an Event, so
// none is made of a nested supervisor, which has debug level, if nobody wants it.
func (l *life) publishPhase(phase EventKind) {
	if l.refused {
		return
	}
	var because why
	if phase == EventClosing {
		because = l.endsBecause()
		l.whys.end = why{reason: because.reason, by: because.by}
	}
	if l.parent == nil || l.subscribed()&phase.set() != 0 || l.log.writes(slog.LevelDebug) {
		l.publishWanted(phase, because)
	}
}

// publishWanted is the part of publishPhase that makes the event. because is what led to an
// EventClosing.
//
//go:noinline
func (l *life) publishWanted(phase EventKind, because why) {
	e := &Event{Kind: phase, again: l.parent != nil}
	switch phase {
	case EventUp:
		e.children, e.Took = l.m.Specs(), l.m.Now()
	case EventDraining:
		e.Delay, e.Err = l.drain.limit, l.drain.cause
		e.Reason = ReasonShutdown
	case EventClosing:
		e.Reason, e.By, e.Because = because.reason, because.by, because.event
		if l.m.End().Kind == machine.EndAsked {
			e.Err, e.logged = l.closing, l.drain.timer != nil
		} else {
			e.Err, e.logged = l.reason(), true
		}
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

// endsBecause returns why the life ends.
func (l *life) endsBecause() why {
	end := l.m.End()
	if end.Kind == machine.EndAsked {
		return why{reason: ReasonShutdown, by: l.asked.by, event: l.asked.event}
	}
	y := why{reason: ReasonGaveUp, by: l.pathOf(end.Child), event: l.whys.known(end.Child).event}
	switch {
	case end.Kind == machine.EndAuto:
		y.reason = ReasonShutdown
	case l.whys.gave > 0:
		y.event = l.whys.gave
	}
	return y
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
