package supervisor

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
)

// link makes nested the supervisor that runs in r.
func (l *life) link(r *run, nested *life) error {
	now := l.enter()
	var err error
	switch {
	case r.hasReturned():
		err = &ChildError{Path: nested.path, Err: ErrNotRunning}
	case r.rareFields().nested != nil:
		err = &ChildError{Path: nested.path, Err: errTwoInside}
	default:
		rare := r.ensureRare()
		rare.nested, rare.super, rare.ended = nested, nested.sup, nil
		l.m.Linked(r.child, r.number(), now)
		l.fates.wake(r.spec.Name) // a child they wait for may exist below it again
		l.awaits.wake(r.spec.Name)
	}
	stopped := r.cause
	l.leave()
	if err == nil && stopped != nil { // cancelAll and abandonAll did not reach it
		nested.close(stopped)
	}
	return err
}

// refuse ends a life that link has refused. Nothing is published: the supervisor that runs in
// the child has the same path.
func (l *life) refuse(cause error) {
	l.lock()
	l.refused = true
	l.mu.Unlock()
	l.close(cause)
}

// A child runs one supervisor at most; with two, the paths below the child would be
// ambiguous.
var errTwoInside error = &errs.Wrap{Sentinel: ErrNested, Cause: errors.New("this child already runs another supervisor; give each supervisor its own child")}

// unlink undoes link when the nested supervisor has ended.
func (l *life) unlink(r *run) {
	now := l.enter()
	rare := r.ensureRare()
	if r.cause != nil || l.m.Phase() >= machine.Closing {
		rare.stopped = append(rare.stopped, rare.nested)
	} else { // its end belongs to a stop of r only if r then returns its error
		rare.ended = rare.nested
	}
	rare.nested = nil
	l.m.Unlinked(r.child, r.number(), now)
	if r.cause != nil { // the rest of the run gets the whole stop timeout
		if rare.stopAsked == 0 {
			rare.stopAsked = r.stopped
		}
		r.stopped = now
		r.limitGrace()
	}
	l.leave()
}

// nestedLife returns the supervisor that runs in the run, or nil.
func (r *run) nestedLife() *life {
	r.life.lock()
	defer r.life.mu.Unlock()
	return r.rareFields().nested
}

// owns reports whether ctx belongs to a run of this supervisor or of one below it.
func (l *life) owns(ctx context.Context) bool {
	for r := runOf(ctx); r != nil; r = r.life.parent {
		if r.life == l {
			return true
		}
	}
	return false
}
