package child

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coppice-go/coppice/internal/runkey"
)

// ErrGone is the error of Ref.Get if the child that made the last offer is gone for
// good. It comes wrapped, with the path of the child in front.
var ErrGone = errors.New("gone for good")

// A Ref is a child's current offer to its siblings: a connection, an address,
// a handle. The child sets it in each run; others get it, and wait while there
// is none because the child is down. The zero Ref is ready to use. It may be
// used by any number of goroutines, and must not be copied.
type Ref[T any] struct {
	mu    sync.Mutex
	owner Context // of the run that made the offer; nil: there is none
	value T
	fate  runkey.Oracle // of the child that made the last offer; nil: nothing is known
	next  chan struct{} // closed by the next Set; nil: nobody waits
}

// Set offers v for the run that ctx belongs to. The offer is withdrawn when
// that run is stopped or ends, and replaced by a later Set, of this run or
// another. With a ctx that is nil or has ended it does nothing.
func (r *Ref[T]) Set(ctx Context, v T) {
	if ctx == nil {
		return
	}
	fate, _ := ctx.Value(runkey.Fate{}).(runkey.Oracle)
	r.mu.Lock()
	defer r.mu.Unlock()
	// Under the lock: a run that ends here must not push out its successor.
	if ctx.Err() != nil {
		return
	}
	r.owner, r.value, r.fate = ctx, v, fate
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// Get returns the current offer. If there is none it waits for one until ctx
// ends, and then returns the cause of that.
//
// It does not wait for a child that is gone for good, and returns an error that wraps
// ErrGone: the child that made the last offer was removed or forgotten, or is Done, or
// its tree has ended. A child that is down but may come back is waited for: it waits
// for its restart, was stopped by hand, or its supervisor is down and will be
// restarted. So is one that is started again (RestartChild, a new start of the tree),
// from that start on. As long as no child has made an offer nothing is known, and Get
// waits; likewise if the offer came from outside of any supervisor.
func (r *Ref[T]) Get(ctx context.Context) (T, error) {
	var none T
	if ctx == nil {
		return none, errors.New("child: nil context")
	}
	var worse chan struct{} // gets something when the child may be gone; nil: nobody asked
	for {
		v, ok, next, fate := r.look()
		if ok {
			return v, nil
		}
		forget := func() {}
		if fate != nil {
			if worse == nil {
				worse = make(chan struct{}, 1)
			}
			gone, stop := fate.Gone(worse)
			if gone && !isClosed(next) { // else there was an offer meanwhile, of another perhaps
				return none, fmt.Errorf("%s: %w", fate.Path(), ErrGone)
			}
			if !gone {
				forget = stop
			}
		}
		ended := false
		select {
		case <-next:
		case <-worse:
		case <-ctx.Done():
			ended = true
		}
		forget()
		if ended {
			return none, context.Cause(ctx)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Load returns the current offer without waiting; ok is false if there is none.
func (r *Ref[T]) Load() (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current()
}

// look returns the offer, or a channel that the next one closes, and the fate of the
// child that made the last.
func (r *Ref[T]) look() (v T, ok bool, next <-chan struct{}, fate runkey.Oracle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.current(); ok {
		return v, true, nil, nil
	}
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return v, false, r.next, r.fate
}

// current asks the owner's context, so that an offer ends at the very moment
// its run does, and lets go of one that has ended.
func (r *Ref[T]) current() (v T, ok bool) {
	if r.owner == nil {
		return v, false
	}
	if r.owner.Err() != nil {
		r.owner, r.value = nil, v
		return v, false
	}
	return r.value, true
}
