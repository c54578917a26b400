package supervisor

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// A logger writes events as log lines. Its queue is a subscription like any other, so a
// handler that blocks delays nothing. Serve and Stop wait for it for a moment, so that the
// last lines are not lost when the process exits.
type logger struct {
	to      *slog.Logger
	lines   atomic.Pointer[subscription] // nil before the first line: many loggers have none
	enabled atomic.Uint32                // one bit for each of levels
}

// levels are the levels at which the logger writes.
var levels = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// indexOfLevel returns the index of one of levels. Each is 4 above the one before.
func indexOfLevel(level slog.Level) uint { return uint(level-slog.LevelDebug) / 4 }

// flushWait is how long the end of a tree waits for its log and its subscribers.
const flushWait = time.Second

// toLog returns the slog.Logger of a spec.
func toLog(spec *Spec) *slog.Logger {
	if spec.Logger == nil {
		return slog.Default()
	}
	return spec.Logger
}

// logger returns the logger of a spec of the supervisor. All starts of the supervisor share
// it, so that a handler that hangs does not keep a goroutine and a queue for each start.
func (s *Supervisor) logger(spec *Spec) *logger {
	to := toLog(spec)
	l := s.log.Load()
	if l.to != to {
		l = &logger{to: to}
		s.log.Store(l)
	}
	l.refreshLevels()
	return l
}

// put queues an event for the log.
func (l *logger) put(e *entry) {
	if l.lines.Load() == nil { // supervisors of one tree may share the logger, but no lock
		l.lines.CompareAndSwap(nil, &subscription{f: l.write, kinds: allKinds, awaited: true})
	}
	l.lines.Load().put(e)
}

// refreshLevels asks the handler which levels are enabled. That is user code, so it is
// not called for each event, but at the start and after each line.
func (l *logger) refreshLevels() {
	var enabled uint32
	for i, level := range levels {
		if l.isEnabled(level) {
			enabled |= 1 << i
		}
	}
	l.enabled.Store(enabled)
}

func (l *logger) isEnabled(level slog.Level) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = true // writing will show the problem
		}
	}()
	return l.to.Enabled(context.Background(), level)
}

// kinds returns the kinds whose events may be written.
func (l *logger) kinds() (want kinds) {
	enabled := l.enabled.Load()
	for i, of := range kindsOfLevel {
		if enabled&(1<<i) != 0 {
			want |= of
		}
	}
	return want
}

// wants reports whether the event is written at its level.
func (l *logger) wants(e *entry) bool {
	return e.kind != EventStatus && l.writes(e.level())
}

// writes reports whether lines of that level are written.
func (l *logger) writes(level slog.Level) bool {
	return l.enabled.Load()&(1<<indexOfLevel(level)) != 0
}

func (l *logger) write(e Event) {
	if e.logged {
		e.Err = nil
	}
	if !e.byOperator() {
		e.Reason, e.By = ReasonNone, "" // known only while there is a subscriber
	}
	l.to.LogAttrs(context.Background(), e.Level(), "coppice: "+e.Kind.String(), e.attrs()[1:]...)
	l.refreshLevels()
}

// flush waits until the log and the subscribers, also those of nested supervisors, have
// received the last events, or for flushWait. Called from inside one of them, it does not
// wait.
func (l *life) flush() {
	waiting := l.undelivered()
	l.shared.mu.Lock()
	for sub := range l.shared.undelivered {
		waiting = append(waiting, sub)
	}
	l.shared.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	drained := make([]<-chan struct{}, len(waiting))
	for i, sub := range waiting { // none of them waits for another
		drained[i] = sub.drained()
	}
	if delivering() {
		return
	}
	timer := time.NewTimer(flushWait)
	defer timer.Stop()
	for _, drained := range drained {
		select {
		case <-drained:
		case <-timer.C:
			return
		}
	}
}

// undelivered returns the subscriptions of this supervisor, and its log, that still have
// events to deliver.
func (l *life) undelivered() []*subscription {
	waiting := l.sup.subs.busy()
	if lines := l.log.lines.Load(); lines != nil && lines.waits() {
		waiting = append(waiting, lines)
	}
	return waiting
}

// Level returns the level at which Spec.Logger writes the event: see there. An EventStatus is
// not written.
func (e Event) Level() slog.Level {
	n := headOf(&e)
	return n.level()
}

func (e *entry) level() slog.Level {
	switch e.kind {
	case EventReady:
		if e.is(isAgain) {
			return slog.LevelInfo
		}
	case EventUp, EventClosing, EventOver:
		if e.is(isAgain) { // of a nested supervisor
			return slog.LevelDebug
		}
		if e.is(isWrong) {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case EventCompleted:
		// A child that repeatedly returns nil and is restarted is most likely a
		// Permanent one that should be Transient.
		if !e.is(isAgain) {
			return slog.LevelDebug
		}
	case EventDraining, EventSuspended, EventResumed, EventRequest, EventApplying:
		return slog.LevelInfo
	case EventApplied:
		if e.err == nil {
			return slog.LevelInfo
		}
	case EventUnready:
		if e.is(isAgain) {
			return slog.LevelDebug
		}
	case EventAbandoned, EventLateExit:
		if e.is(isAtOnce) { // as intended
			return slog.LevelDebug
		}
	case EventStopped:
		if e.is(isClean) {
			return slog.LevelDebug
		}
	}
	return e.kind.mostSevere()
}

// kindsOfLevel has, for each of levels, the kinds whose highest level it is. An EventReady
// is built for the log at level info only if the child was down: see failing.
var kindsOfLevel = func() (of [len(levels)]kinds) {
	for kind := EventKind(1); kind.valid(); kind++ {
		for i, level := range levels {
			if kind.mostSevere() == level {
				of[i] |= kind.set()
			}
		}
	}
	return of
}()

// mostSevere returns the highest level that an event of the kind may have.
func (k EventKind) mostSevere() slog.Level {
	switch k {
	case EventFailed, EventAbandoned, EventHung, EventGaveUp:
		return slog.LevelError
	case EventError, EventUnready, EventSlowStart, EventLateExit, EventCompleted, EventStopped, EventApplied:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
