package supervisor

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// The log has one line for the failure of a child and what follows, and one when the child
// is ready again, with how long that took. So the life must remember which children are
// down, and the line of a failure must wait for the answer of the child's backoff.

// failing holds the children that have failed and are not ready again. It is guarded by
// the lock of their life.
type failing struct {
	since map[*machine.Child]time.Duration
	held  map[*machine.Child]*entry // failures that the log has not received yet
}

const (
	// clearing are the kinds of events after which a child may no longer be down.
	clearing = 1<<EventReady | 1<<EventStopped | 1<<EventAbandoned | 1<<EventCompleted | 1<<EventRemoved
	// releasing are the kinds before which the log must have the failure that led to them.
	releasing = 1<<EventRestarting | 1<<EventStarting | 1<<EventStopped | 1<<EventRemoved
)

// wanted returns the kinds that follow needs because of children that are down.
func (f *failing) wanted() (want kinds) {
	if len(f.since) > 0 {
		want |= clearing
	}
	if len(f.held) > 0 {
		want |= releasing
	}
	return want
}

// follow records what an event means for a child that is down, and completes the event
// for the log.
func (l *life) follow(c *machine.Child, a *machine.Action, e *entry) {
	f := &l.failing
	e.next = a.Next
	if len(f.held) > 0 {
		l.releaseFor(c, a, e)
	}
	switch e.kind {
	case EventFailed:
		if _, down := f.since[c]; !down && a.Next != machine.StaysDown && l.log.writes(slog.LevelInfo) {
			if f.since == nil {
				f.since = make(map[*machine.Child]time.Duration)
			}
			f.since[c] = l.m.Now()
		}
	case EventCompleted:
		e.set(isAgain, a.Next != machine.StaysDown && a.Count > 0)
		delete(f.since, c)
	case EventReady:
		if since, down := f.since[c]; down {
			e.set(isAgain, true)
			e.more().down = l.m.Now() - since // only while failures are logged
			delete(f.since, c)
		}
	case EventStopped, EventAbandoned:
		if c.State() == child.Stopped { // otherwise it comes back
			delete(f.since, c)
		}
	case EventRemoved:
		delete(f.since, c)
	}
}

// releaseFor passes to the log the failures that have waited for this event.
func (l *life) releaseFor(c *machine.Child, a *machine.Action, e *entry) {
	f := &l.failing
	switch e.kind {
	case EventStarting, // the child was started before its backoff answered
		EventStopped, EventAbandoned, EventRemoved:
		l.logFailure(c, machine.AsksBackoff, 0)
	case EventRestarting:
		l.logFailure(c, machine.Restarts, a.Wait)
		graph := l.m.IsNeeded(c)
		if !graph && !l.restartsGroups() {
			return // thousands may be held, and none of them comes up with c
		}
		for _, with := range f.inOrder() {
			if graph && l.m.With(with) != c {
				continue
			}
			if with.Marked() || with.State() == child.Stopped { // its own backoff is not called: it starts together with c
				l.logFailure(with, machine.Restarts, a.Wait)
			}
		}
	case EventGaveUp:
		l.logFailure(c, machine.SupervisorGivesUp, 0)
	}
}

// restartsGroups reports whether a child may be restarted with another.
func (l *life) restartsGroups() bool {
	return l.spec.Strategy == strategy.OneForAll || l.spec.Strategy == strategy.RestForOne
}

// follows describes what follows an end, as far as it is known.
func (e *Event) follows() string {
	switch {
	case e.Kind == EventStopped && e.unasked && !e.clean:
		return "not restarted: its supervisor is stopping"
	case e.Kind != EventFailed && e.Kind != EventCompleted:
		return ""
	case e.next == machine.SupervisorGivesUp:
		return "the supervisor gives up"
	case e.next == machine.StaysDown && e.Kind == EventFailed:
		return "not restarted"
	case e.next == machine.Restarts && e.wait > 0:
		return fmt.Sprintf("restart %d in %v", e.Restarts+1, e.wait.Round(time.Millisecond))
	case e.next == machine.Restarts:
		return fmt.Sprintf("restart %d at once", e.Restarts+1)
	}
	return ""
}

// hold keeps a failure from the log while the child's backoff is being called, and
// reports whether it does.
func (l *life) hold(e *entry, c *machine.Child) bool {
	if e.kind != EventFailed || e.next != machine.AsksBackoff {
		return false
	}
	if l.failing.held == nil {
		l.failing.held = make(map[*machine.Child]*entry)
	}
	kept := *e
	l.failing.held[c] = &kept
	return true
}

// logFailure passes a held failure to the log, with what follows it. l.mu must be held.
func (l *life) logFailure(c *machine.Child, next machine.Next, wait time.Duration) {
	e := l.failing.held[c]
	if e == nil {
		return
	}
	delete(l.failing.held, c)
	e.next, e.duration = next, wait
	l.log.put(e)
}

// logHeld passes a failure to the log if the backoff's answer came too late, because the
// child was started or stopped meanwhile.
func (l *life) logHeld(c *machine.Child) {
	l.lock()
	defer l.mu.Unlock()
	l.logFailure(c, machine.AsksBackoff, 0)
}

// logAllHeld passes all held failures to the log when the end of a life begins, because
// nothing is restarted any more. l.mu must be held.
func (l *life) logAllHeld() {
	for _, c := range l.failing.inOrder() {
		l.logFailure(c, machine.AsksBackoff, 0)
	}
	l.failing = failing{}
}

// inOrder returns the children with held failures, in the order in which they failed.
func (f *failing) inOrder() []*machine.Child {
	if len(f.held) == 0 { // the usual case
		return nil
	}
	return slices.SortedFunc(maps.Keys(f.held), func(a, b *machine.Child) int {
		return cmp.Compare(f.held[a].seq, f.held[b].seq)
	})
}
