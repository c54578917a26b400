package supervisor

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/enum"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// An Event reports something that happened in a tree.
type Event struct {
	// Seq numbers the events of a tree that have a subscriber or are logged, from 1 at
	// each start of its root. An EventLateExit of a run of an earlier start continues the
	// numbers of that start.
	Seq      uint64
	Time     time.Time // never before that of the previous event; simultaneous ends may share one
	Kind     EventKind
	Path     string // path of the child; for events of a supervisor itself, of the supervisor
	Run      uint64 // number of the run: see child.Status.Run; zero for events of a supervisor itself
	Restarts int    // number of automatic restarts of the child so far
	Ready    bool   // whether the run had been ready; distinguishes a failure from a failed start
	Err      error
	Delay    time.Duration // EventRestarting: time until the restart
	Stack    []byte        // stack of a panic, a hung run, or an abandoned run
	Took     time.Duration // EventReady, EventUp: the start; EventStopped, EventAbandoned, EventOver: the stop; EventApplied: Apply
	Text     string        // EventStatus: what the child says of itself; EventApplying, EventApplied: Changes
	Changes  *Changes      // EventApplying: what will be changed; EventApplied: what was; do not modify it
	Lost     uint64        // number of events before this one that were dropped because the subscriber was too slow

	// Reason is why the child starts or stops, or the supervisor ends. By is the path of
	// the child whose failure is the reason, or the name of the operator who requested
	// it: see WithRequest. Because is the Seq of the event that led to this one, such as
	// the EventFailed that led to an EventRestarting. It is zero if nothing led to it, or
	// if that event had no subscriber.
	Reason  Reason
	By      string
	Because uint64

	order    uint64        // number within one subscription; Seq starts over with each start
	wait     time.Duration // EventFailed: time until the restart that follows; EventAbandoned: how long the run was waited for
	down     time.Duration // EventReady: how long it was not ready
	children int           // start of a supervisor: number of children
	wrong    [2]int        // end of a supervisor: number of runs that were abandoned, and that ended with an error
	next     machine.Next  // EventFailed, EventCompleted: what follows, for the log
	again    bool          // EventReady: after a failure or Unready; EventUnready: not the first in a row; EventCompleted: it is restarted, and was before
	clean    bool          // EventStopped: Err need not be reported
	logged   bool          // end of a supervisor: the log has Err already
	unasked  bool          // EventStopped: the run ended by itself, before it was its turn in the stop
	atOnce   bool          // the child's StopTimeout is child.AtOnce
}

// String returns the kind, the path, the delay and the error in one line, such as
// "restarting /shop/db in 1s: no such host". If events were lost before it, the line
// starts with their number. Control characters and line breaks in the path and the error
// are escaped. If the error begins with the path too, the path stands there once.
func (e Event) String() string {
	line := e.Kind.String()
	if e.Path != "" {
		line += " " + oneline.Text(e.Path)
	}
	switch {
	case e.Kind == EventDraining:
		line += " for " + e.Delay.String()
	case e.Delay > 0:
		line += " in " + short(e.Delay).String()
	}
	if e.Kind == EventRequest {
		line += " (" + e.Reason.String() + ")"
	}
	if e.Text != "" {
		line += ": " + oneline.Text(e.Text)
	}
	if e.By != "" && e.byOperator() {
		line += " by " + oneline.Text(e.By)
	}
	if e.Err != nil {
		line += ": " + strings.TrimPrefix(oneline.Of(e.Err), oneline.Text(e.Path)+": ")
	}
	if e.Lost > 0 {
		line = fmt.Sprintf("(%d events lost) %s", e.Lost, line)
	}
	return line
}

// byOperator reports whether the event is about the act of an operator: By.
func (e *Event) byOperator() bool {
	switch e.Kind {
	case EventRequest, EventSuspended, EventResumed, EventApplying, EventApplied:
		return true
	}
	return false
}

// LogValue returns the fields that are set, for slog. The path and the error are one line
// each, as in the text of a ChildError.
func (e Event) LogValue() slog.Value { return slog.GroupValue(e.attrs()...) }

func (e Event) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("event", e.Kind.String()), slog.String("path", oneline.Text(e.Path))}
	if e.Restarts > 0 {
		attrs = append(attrs, slog.Int("restarts", e.Restarts))
	}
	if e.Err != nil {
		key := "err"
		if e.Kind == EventClosing || e.Kind == EventDraining { // a normal stop is not found in a search for errors
			key = "cause"
		}
		attrs = append(attrs, slog.String(key, oneline.Of(e.Err)))
	}
	if e.Delay > 0 {
		attrs = append(attrs, slog.Duration("delay", e.Delay))
	}
	if e.Kind == EventAbandoned && e.wait > 0 {
		attrs = append(attrs, slog.Duration("after", short(e.wait)))
	}
	if next := e.follows(); next != "" {
		attrs = append(attrs, slog.String("next", next))
	}
	if e.Kind == EventUp {
		attrs = append(attrs, slog.Int("children", e.children))
	}
	switch {
	case e.down > 0:
		attrs = append(attrs, slog.Duration("down", short(e.down)))
	case e.Took > 0 && e.Kind != EventAbandoned: // that says after how long
		attrs = append(attrs, slog.Duration("took", short(e.Took)))
	}
	for i, name := range [...]string{"abandoned", "unclean"} {
		if e.wrong[i] > 0 {
			attrs = append(attrs, slog.Int(name, e.wrong[i]))
		}
	}
	if e.Text != "" {
		attrs = append(attrs, slog.String("text", oneline.Text(e.Text)))
	}
	if e.Reason != ReasonNone {
		attrs = append(attrs, slog.String("reason", e.Reason.String()))
	}
	if e.By != "" {
		attrs = append(attrs, slog.String("by", oneline.Text(e.By)))
	}
	if e.Lost > 0 {
		attrs = append(attrs, slog.Uint64("lost", e.Lost))
	}
	if len(e.Stack) > 0 {
		attrs = append(attrs, slog.String("stack", string(e.Stack)))
	}
	return attrs
}

// short rounds a duration for display.
func short(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// EventKind is the kind of an Event. In logs and JSON it is text, such as "late-exit".
type EventKind uint8

const (
	EventStarting   EventKind = iota + 1 // Run is called
	EventReady                           // the child is ready, for the first time or again
	EventFailed                          // its start or its run failed: Err
	EventRestarting                      // it is restarted after Delay; Err is the failure
	EventCompleted                       // it ended by itself, without a failure
	EventStopping                        // it was asked to stop; Err is the cause
	EventStopped                         // it stopped as asked; Err is what Run returned
	EventAbandoned                       // its run did not stop in time and is abandoned: Stack
	EventLateExit                        // an abandoned run has returned
	EventRemoved                         // its spec was removed
	EventError                           // it reported Err with OnError
	EventUnready                         // it reported Err with Unready
	EventHung                            // it missed its heartbeat: Stack
	EventSlowStart                       // its start takes longer than 10 s
	EventGaveUp                          // the supervisor gave up: Err is a *GaveUpError
	EventStatus                          // it said Text of itself with ctx.Status
	EventRequest                         // an operator has requested something: Reason and By
	EventSuspended                       // of the supervisor: Suspend was called
	EventResumed                         // of the supervisor: Resume was called
	EventApplying                        // of the supervisor: Apply begins; Changes are planned
	EventApplied                         // of the supervisor: Apply has ended; Changes were made; Err if it has failed
	EventUp                              // of the supervisor: all declared children are ready
	EventDraining                        // of the root: its stop was requested, and it waits for Spec.Drain
	EventClosing                         // of the supervisor: it begins to stop its children; Err is the cause
	EventOver                            // of the supervisor: it has ended; Err is what its Serve or Run returns
)

var eventKinds = enum.Of[EventKind]("event", "supervisor: no such event kind", []string{
	EventStarting: "starting", EventReady: "ready", EventFailed: "failed", EventRestarting: "restarting",
	EventCompleted: "completed", EventStopping: "stopping", EventStopped: "stopped",
	EventAbandoned: "abandoned", EventLateExit: "late-exit", EventRemoved: "removed",
	EventError: "error", EventUnready: "unready", EventHung: "hung",
	EventSlowStart: "slow-start", EventGaveUp: "gave-up",
	EventStatus: "status", EventRequest: "request",
	EventSuspended: "suspended", EventResumed: "resumed",
	EventApplying: "applying", EventApplied: "applied",
	EventUp: "up", EventDraining: "draining", EventClosing: "closing", EventOver: "over",
}...)

// String returns the name, such as "late-exit".
func (k EventKind) String() string { return eventKinds.String(k) }

func (k EventKind) valid() bool { return eventKinds.Valid(k) }

// MarshalText returns the name.
func (k EventKind) MarshalText() ([]byte, error) { return eventKinds.MarshalText(k) }

// UnmarshalText accepts a name that String returns.
func (k *EventKind) UnmarshalText(text []byte) error { return eventKinds.UnmarshalText(k, text) }

// kinds is a set of event kinds.
type kinds uint32

func (k EventKind) set() kinds { return 1 << k }

const allKinds kinds = 1<<(EventOver+1) - 2

// loudKinds are the kinds that report trouble. A full queue keeps them longest.
const loudKinds = 1<<EventFailed | 1<<EventAbandoned | 1<<EventHung | 1<<EventGaveUp |
	1<<EventLateExit | 1<<EventError | 1<<EventUnready

// publishAction publishes an event of the machine. The machine only produces kinds that have a
// subscriber or that the log wants. l.mu must be held.
func (l *life) publishAction(a *machine.Action) {
	kind := EventKind(a.Event) // their numbers are the same
	c := a.Child
	if l.lastEvent.at.IsZero() { // all events of one visit to the machine have the same time
		l.lastEvent.at = time.Now()
	}
	if name := c.Name(); l.lastEvent.name != name { // usually it is the same child again
		l.lastEvent.name, l.lastEvent.path = name, l.pathOf(c)
	}
	var e entry // filled in place: a literal would be made elsewhere and copied
	e.time, e.kind, e.path = l.lastEvent.at, kind, l.lastEvent.path
	e.run, e.err = a.Run, a.Err
	e.restarts = a.Count
	e.set(isAtOnce, c.Spec.StopTimeout == child.AtOnce)
	r := runOfChild(c)
	e.set(isReady, r != nil && r.ready)
	switch kind {
	case EventReady, EventRestarting:
		e.duration = a.Wait
	case EventStopping:
		e.err = r.cause
	case EventStopped:
		asked := r.why() != 0 // otherwise it ended by itself, before it was its turn
		switch {
		case a.Run == 0: // its pending restart is cancelled
			e.run = c.Run()
		case asked:
			e.duration = l.m.Now() - r.askedAt()
		}
		e.set(isClean, a.Clean)
		e.set(isUnasked, !asked && l.m.Phase() == machine.Closing)
	case EventAbandoned:
		e.duration = r.rare.abandoned.After
		e.more().Stack, e.more().wait = r.rare.abandoned.Stack, e.duration
	case EventHung:
		e.more().Stack = l.dump.stack(r, r.rare.watch.from)
	case EventSlowStart:
		e.err = r.slowStart()
	case EventGaveUp:
		e.path, e.err, e.run = l.path, l.gaveUp(l.m.End()), 0
	case EventLateExit:
		e.run = l.late
	}
	l.follow(c, a, &e)
	if l.subscribedKinds != 0 || !l.whys.of.empty() {
		l.explain(c, a, &e)
	}
	if l.subscribedKinds&kind.set() != 0 || l.log.wants(&e) { // otherwise only follow and remember need it
		l.send(&e, c)
	}
	if l.subscribedKinds != 0 || !l.whys.of.empty() {
		l.remember(c, a, &e)
	}
}

// publish publishes an event that does not come from the machine. l.mu must be held.
func (l *life) publish(e *Event, r *run) {
	if l.wants(e) {
		e.Time, e.Path, e.Restarts, e.Ready = time.Now(), r.Path(), r.restarts, r.ready
		e.Run = r.number()
		n := entryOf(e)
		l.send(&n, r.child)
	}
}

// wants reports whether an event has a subscriber or is logged.
func (l *life) wants(e *Event) bool {
	if l.subscribed()&e.Kind.set() != 0 {
		return true
	}
	n := headOf(e)
	return l.log.wants(&n)
}

// subscribed returns the kinds that have a subscriber at this supervisor or above. An
// event that has none and is not logged is not even built. It looks at the supervisors
// above only if a subscription has changed since it last did, so an event without a
// subscriber costs the same at any depth. l.mu must be held.
func (l *life) subscribed() kinds {
	if now := subscriptionChanges.Load(); now != l.knownSince {
		l.knownSince = now // read before the kinds: a change after it is seen next time
		l.knownKinds = l.subscribedAbove()
	}
	return l.knownKinds
}

// subscribedAbove is subscribed without the memory.
func (l *life) subscribedAbove() (want kinds) {
	for up := l; ; up = up.parent.life {
		want |= kinds(up.sup.subs.kinds.Load())
		if up.parent == nil {
			return want
		}
	}
}

// send numbers an event and queues it for its subscribers and the log. It takes the lock
// that the supervisors of a tree share, so that all subscribers see the same order. l.mu must
// be held.
func (l *life) send(e *entry, c *machine.Child) {
	t := l.shared
	t.mu.Lock() // without defer, which takes time that is noticed here: nothing below panics
	t.seq++
	e.seq = t.seq
	if e.time.Before(t.lastTime) { // another supervisor has published one in between
		e.time = t.lastTime
	}
	t.lastTime = e.time
	if l.log.wants(e) && !l.hold(e, c) {
		l.log.put(e)
	}
	if l.subscribed()&e.kind.set() != 0 { // otherwise it is only for the log
		for up := l; ; up = up.parent.life {
			up.sup.subs.put(e, up.path)
			if up.parent == nil {
				break
			}
		}
	}
	t.mu.Unlock()
}

// fill adds what is too expensive under a lock: the text of a panic's stack.
func (e *Event) fill() {
	if e.Stack != nil || e.Kind != EventFailed && e.Kind != EventStopped && e.Kind != EventLateExit {
		return
	}
	defer func() { _ = recover() }() // an Unwrap may panic
	walk(e.Err, func(err error) bool {
		panicked, found := err.(*child.PanicError)
		if found {
			e.Stack = panicked.Stack()
		}
		return found
	})
}
