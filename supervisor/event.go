package supervisor

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/enum"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// An Event is something that happened in a tree.
type Event struct {
	// Seq counts the events of a tree that somebody wanted, from 1 at each start of its
	// root. An EventLateExit of a run of an earlier start has a number of that start.
	Seq      uint64
	Time     time.Time // never before that of the event before; the ends of many children at once may share one
	Kind     EventKind
	Path     string // of the child; for EventGaveUp, of the supervisor
	Restarts int    // automatic restarts of the child so far
	Ready    bool   // the run had been ready: tells a failure from a failed start
	Err      error
	Delay    time.Duration // of EventRestarting: until the restart
	Stack    []byte        // of a panic, a hung run, or one that was left behind
	Lost     uint64        // events before this one that the subscriber was too slow for

	order    uint64        // among the events of one subscription; Seq starts over with each start
	next     machine.Next  // of EventFailed and EventCompleted: what follows, for the log
	wait     time.Duration // of EventFailed: until the restart that follows
	again    bool          // of EventReady: after a failure or Unready; of EventUnready: once more; of EventCompleted: it is restarted, and was before
	down     time.Duration // of EventReady: how long it was not ready; of the end of a stop or a start: how long that took
	children int           // of the start of a supervisor
	clean    bool          // of EventStopped: Err need not be reported
	atOnce   bool          // the child's StopTimeout is AtOnce
}

// String returns the kind, the path, the delay and the error in one line, as
// "restarting /shop/db in 1s: no such host", and how many events were lost before
// it. Control characters and line breaks in the path and the error are escaped.
func (e Event) String() string {
	line := e.Kind.String()
	if e.Path != "" {
		line += " " + oneline.Text(e.Path)
	}
	if e.Delay > 0 {
		line += " in " + e.Delay.String()
	}
	if e.Err != nil {
		line += ": " + oneline.Of(e.Err)
	}
	if e.Lost > 0 {
		line = fmt.Sprintf("(%d events lost) %s", e.Lost, line)
	}
	return line
}

// LogValue returns the fields that are set, for slog. The path and the error are one
// line each, as in the text of a ChildError.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("event", e.Kind.name()), slog.String("path", oneline.Text(e.Path))}
	if e.Restarts > 0 {
		attrs = append(attrs, slog.Int("restarts", e.Restarts))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", oneline.Of(e.Err)))
	}
	if e.Delay > 0 {
		attrs = append(attrs, slog.Duration("delay", e.Delay))
	}
	if next := e.follows(); next != "" {
		attrs = append(attrs, slog.String("next", next))
	}
	if e.Kind == phaseUp {
		attrs = append(attrs, slog.Int("children", e.children))
	}
	switch {
	case e.down <= 0:
	case e.Kind == EventReady:
		attrs = append(attrs, slog.Duration("down", short(e.down)))
	default:
		attrs = append(attrs, slog.Duration("took", short(e.down)))
	}
	if e.Lost > 0 {
		attrs = append(attrs, slog.Uint64("lost", e.Lost))
	}
	if len(e.Stack) > 0 {
		attrs = append(attrs, slog.String("stack", string(e.Stack)))
	}
	return attrs
}

// short leaves out of a duration what nobody reads.
func short(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// EventKind says what happened. In logs and JSON it is text, as "late-exit".
type EventKind uint8

const (
	EventStarting   EventKind = iota + 1 // Run is called
	EventReady                           // the child is ready, for the first time or again
	EventFailed                          // its start or its run failed: Err
	EventRestarting                      // it will be restarted after Delay; Err is the failure
	EventCompleted                       // it ended by itself, and well
	EventStopping                        // it was asked to stop; Err is the cause
	EventStopped                         // it stopped as asked; Err is what Run returned
	EventAbandoned                       // it did not stop in time and is left behind: Stack
	EventLateExit                        // a run that was left behind has returned
	EventRemoved                         // its spec is forgotten
	EventError                           // it reported Err with OnError
	EventUnready                         // it reported Err with Unready
	EventHung                            // it let its heartbeat pass: Stack
	EventSlowStart                       // its start takes longer than 10 s
	EventGaveUp                          // the supervisor gave up: Err is a *GaveUpError

	// What only the log is told of: the supervisor itself.
	phaseUp
	phaseStopping
	phaseStopped
)

var eventKinds = enum.Of[EventKind]("event", "supervisor: no such event kind", []string{
	EventStarting: "starting", EventReady: "ready", EventFailed: "failed", EventRestarting: "restarting",
	EventCompleted: "completed", EventStopping: "stopping", EventStopped: "stopped",
	EventAbandoned: "abandoned", EventLateExit: "late-exit", EventRemoved: "removed",
	EventError: "error", EventUnready: "unready", EventHung: "hung",
	EventSlowStart: "slow-start", EventGaveUp: "gave-up",
}...)

// String returns the name, as "late-exit".
func (k EventKind) String() string { return eventKinds.String(k) }

// name is String for all that the log is told of.
func (k EventKind) name() string {
	switch k {
	case phaseUp:
		return "up"
	case phaseStopping:
		return "stopping"
	case phaseStopped:
		return "stopped"
	}
	return k.String()
}

func (k EventKind) valid() bool { return eventKinds.Valid(k) }

// MarshalText returns the name.
func (k EventKind) MarshalText() ([]byte, error) { return eventKinds.MarshalText(k) }

// UnmarshalText accepts a name that String returns.
func (k *EventKind) UnmarshalText(text []byte) error { return eventKinds.UnmarshalText(k, text) }

// kinds is a set of event kinds.
type kinds uint32

func (k EventKind) set() kinds { return 1 << k }

const allKinds kinds = 1<<(EventGaveUp+1) - 2

// loudKinds are those that a full queue keeps longest: trouble.
const loudKinds = 1<<EventFailed | 1<<EventAbandoned | 1<<EventHung | 1<<EventGaveUp |
	1<<EventLateExit | 1<<EventError | 1<<EventUnready

// tell publishes what the machine tells; it tells but what somebody wants. Under
// the lock.
func (l *life) tell(a *machine.Action) {
	kind := EventKind(a.Event) // their numbers are the same
	c := a.Child
	if l.told.at.IsZero() { // what is done in one go has happened at one time
		l.told.at = time.Now()
	}
	l.told.path = l.pathLike(c, l.told.path) // mostly it is the same child again
	e := Event{Time: l.told.at, Kind: kind, Path: l.told.path, Restarts: a.Count, Err: a.Err, Delay: a.Wait}
	e.atOnce = c.Spec.StopTimeout == child.AtOnce
	r := runOfChild(c)
	e.Ready = r != nil && r.ready
	switch kind {
	case EventStopping:
		e.Err = r.cause
	case EventStopped:
		e.clean = a.Clean
	case EventAbandoned:
		e.Stack = r.few.straggler.Stack
	case EventHung:
		e.Stack = l.dump.stack(r, r.few.watch.from)
	case EventSlowStart:
		e.Err = r.slowStart()
	case EventGaveUp:
		e.Path, e.Err = l.path, l.gaveUp(l.m.End())
	}
	l.follow(c, a, &e)
	if l.asked&kind.set() != 0 || l.log.wants(&e) { // else it was told for the log to look at
		l.send(&e, c)
	}
}

// publish publishes an event that the machine knows nothing of. Under the lock.
func (l *life) publish(e *Event, r *run) {
	if l.subscribed()&e.Kind.set() != 0 || l.log.wants(e) {
		e.Time, e.Path, e.Restarts, e.Ready = time.Now(), r.Path(), r.restarts, r.ready
		l.send(e, r.child)
	}
}

// subscribed returns the kinds that subscribers up the tree want to know of. An event
// that neither they want nor the log is not even built.
func (l *life) subscribed() (want kinds) {
	for up := l; ; up = up.parent.life {
		want |= kinds(up.sup.subs.kinds.Load())
		if up.parent == nil {
			return want
		}
	}
}

// send numbers an event and queues it for those who want it. All supervisors of
// a tree come here under the tree's lock, so that everybody sees one order.
func (l *life) send(e *Event, c *machine.Child) {
	l.tree.mu.Lock()
	defer l.tree.mu.Unlock()
	l.tree.seq++
	e.Seq = l.tree.seq
	if e.Time.Before(l.tree.told) { // by another supervisor, which was quicker to come here
		e.Time = l.tree.told
	}
	l.tree.told = e.Time
	if l.log.wants(e) && !l.hold(e, c) {
		l.log.queue.put(e)
	}
	for up := l; ; up = up.parent.life {
		up.sup.subs.put(e, up.path)
		if up.parent == nil {
			return
		}
	}
}

// fill adds what is too costly to make under a lock: the text of a panic's stack.
func (e *Event) fill() {
	if e.Stack != nil || e.Kind != EventFailed && e.Kind != EventStopped && e.Kind != EventLateExit {
		return
	}
	defer func() { _ = recover() }() // of an Unwrap that panics
	walk(e.Err, func(err error) bool {
		panicked, found := err.(*child.PanicError)
		if found {
			e.Stack = panicked.Stack()
		}
		return found
	})
}
