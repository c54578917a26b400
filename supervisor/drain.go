package supervisor

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A drain is the time between the request to stop a root and its stop. It is guarded by
// the lock of the life.
type drain struct {
	limit time.Duration
	cause error
	timer *time.Timer // nil if none has begun
}

// stop begins the end of a root: at once, or after a drain.
func (l *life) stop(cause error) {
	if !l.beginDrain(cause) {
		l.close(cause)
	}
}

// beginDrain reports whether the root drains, now or already.
func (l *life) beginDrain(cause error) bool {
	l.lock()
	defer l.mu.Unlock()
	switch {
	case l.parent != nil || l.m.Phase() != machine.Up:
		return false
	case l.drain.timer != nil: // also if an Upgrade has removed Drain since
		return true
	case l.spec.Drain == 0:
		return false
	}
	l.drain = drain{l.spec.Drain, cause, time.AfterFunc(l.spec.Drain, func() { l.close(cause) })}
	l.publishPhase(EventDraining)
	return true
}

// drains reports whether the root waits for the end of its drain. l.mu must be held.
func (l *life) drains() bool { return l.drain.timer != nil && l.m.Phase() == machine.Up }

// hurry is called when the context of a Stop ends. It ends the drain, which keeps its cause,
// or asks all children to stop at once if there is none.
func (l *life) hurry(cause error) {
	l.lock()
	draining, first := l.drains(), l.drain.cause
	l.mu.Unlock()
	if draining {
		l.close(first)
	} else {
		l.cancelAll(cause)
	}
}

// stopAndWait stops a root and waits for its end. When ctx ends, it hurries.
func (l *life) stopAndWait(ctx context.Context, cause error) {
	l.stop(cause)
	select {
	case <-l.over:
	case <-ctx.Done():
		l.hurry(cause)
		<-l.over
	}
}
