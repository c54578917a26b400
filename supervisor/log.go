package supervisor

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A logger writes events as log lines. It is a subscription like any other, so
// that a handler that blocks holds up nobody; but Serve and Stop wait for it for
// a moment, so that the last lines are not lost with the process.
type logger struct {
	to    *slog.Logger
	queue subscription
	want  atomic.Uint32 // the kinds whose level is enabled
}

// flushWait is how long the end of a tree waits for its log.
const flushWait = time.Second

func newLogger(to *slog.Logger) *logger {
	if to == nil {
		to = slog.Default()
	}
	l := &logger{to: to}
	l.queue.f, l.queue.kinds = l.write, allKinds
	l.look()
	return l
}

// look asks which levels are enabled. That is user code, so it is not done for
// each event but at the start, and whenever something is written.
func (l *logger) look() {
	var want kinds
	for _, level := range [...]slog.Level{slog.LevelDebug, slog.LevelWarn, slog.LevelError} {
		if l.enabled(level) {
			want |= ofSeverity[level]
		}
	}
	l.want.Store(uint32(want))
}

func (l *logger) enabled(level slog.Level) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = true // writing will show what is broken
		}
	}()
	return l.to.Enabled(context.Background(), level)
}

func (l *logger) kinds() kinds { return kinds(l.want.Load()) }

func (l *logger) write(e Event) {
	l.to.LogAttrs(context.Background(), e.level(), "coppice: "+e.Kind.String(), e.attrs()[1:]...)
	l.look()
}

// flush waits until what has been queued, also by nested supervisors that have
// a log of their own, is written, or for flushWait.
func (l *life) flush() {
	l.tree.mu.Lock()
	logs := slices.Clone(l.tree.logs)
	l.tree.mu.Unlock()
	if len(logs) == 0 && !l.log.queue.waits() {
		return
	}
	logs = append(logs, l.log)
	timer := time.NewTimer(flushWait)
	defer timer.Stop()
	for _, log := range logs {
		select {
		case <-log.queue.drained():
		case <-timer.C:
			return
		}
	}
}

// outlive notes the log of a nested supervisor that has ended, for the end of
// the tree to wait for. It lets go of those that have nothing more to write.
func (t *tree) outlive(log *logger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logs = slices.DeleteFunc(t.logs, func(l *logger) bool { return l == log || !l.queue.waits() })
	if log.queue.waits() {
		t.logs = append(t.logs, log)
	}
}

// level is how loud an event is in the log.
func (e *Event) level() slog.Level {
	switch e.Kind {
	case EventCompleted:
		// A child that keeps ending well and being restarted, by all signs, is a
		// Permanent one that should not be.
		if e.Restarts > 0 && e.permanent {
			return slog.LevelWarn
		}
		return slog.LevelDebug
	case EventAbandoned, EventLateExit:
		if e.atOnce { // as it was meant to be
			return slog.LevelDebug
		}
	case EventStopped:
		if e.Err == machine.ErrLeftStopped || len(e.Stack) > 0 { // a panic in its cleaning up
			return slog.LevelWarn
		}
		return slog.LevelDebug
	}
	return e.Kind.mostSevere()
}

// ofSeverity are the kinds whose events may have a level, and no higher one.
var ofSeverity = func() map[slog.Level]kinds {
	of := make(map[slog.Level]kinds)
	for kind := EventKind(1); kind.valid(); kind++ {
		of[kind.mostSevere()] |= kind.set()
	}
	return of
}()

// mostSevere is the highest level that an event of the kind may have.
func (k EventKind) mostSevere() slog.Level {
	switch k {
	case EventFailed, EventAbandoned, EventHung, EventGaveUp:
		return slog.LevelError
	case EventError, EventUnready, EventSlowStart, EventLateExit, EventCompleted, EventStopped:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
