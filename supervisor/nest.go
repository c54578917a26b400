package supervisor

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
)

// link makes nested the supervisor inside the run r.
func (l *life) link(r *run, nested *life) error {
	now := l.enter()
	var err error
	switch {
	case r.hasReturned():
		err = &ChildError{Path: nested.path, Err: ErrNotRunning}
	case r.rareFields().nested != nil:
		err = &ChildError{Path: nested.path, Err: errTwoInside}
	default:
		f := r.ensureRare()
		f.nested, f.super, f.ended = nested, nested.sup, nil
		l.m.Linked(r.child, r.number(), now)
		l.fates.wake(r.spec.Name) // what they wait for may be below it again
	}
	stopped := r.cause
	l.leave()
	if err == nil && stopped != nil { // too late for hasten and halt to reach it
		nested.close(stopped)
	}
	return err
}

// errTwoInside: paths below the child would not be clear.
var errTwoInside error = &errs.Wrap{Sentinel: ErrNested, Cause: errors.New("this child already runs another supervisor; give each supervisor a child of its own")}

// unlink ends what link began.
func (l *life) unlink(r *run) {
	now := l.enter()
	f := r.ensureRare()
	if r.cause != nil || l.m.Phase() >= machine.Closing {
		f.stopped = append(f.stopped, f.nested)
	} else { // its end has nothing to do with a stop of r, unless r returns its error then
		f.ended = f.nested
	}
	f.nested = nil
	l.m.Unlinked(r.child, r.number(), now)
	if r.cause != nil { // what is left of the run has its stop timeout for itself
		r.stopped = now
		r.limitGrace()
	}
	l.leave()
}

// nestedLife returns the supervisor that runs in the run, or nil.
func (r *run) nestedLife() *life {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	return r.rareFields().nested
}

// owns reports whether ctx belongs to a run of this supervisor or of one below.
func (l *life) owns(ctx context.Context) bool {
	for r := runOf(ctx); r != nil; r = r.life.parent {
		if r.life == l {
			return true
		}
	}
	return false
}

// isAbove reports whether r is a run of this life or of one inside it.
func (l *life) isAbove(r *run) bool {
	for ; r != nil; r = r.life.parent {
		if r.life == l {
			return true
		}
	}
	return false
}
