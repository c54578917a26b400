package child

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/coppice-go/coppice/internal/runkey"
)

// ErrGone is the error of Ref.Get if the child that set the last value is gone for good.
// It is wrapped in an error that begins with the path of the child.
var ErrGone = errors.New("gone for good")

// A Ref holds a value that a child publishes to its siblings, such as a connection, an
// address or a client, for as long as its current run lives. The child sets it in each
// run. Siblings get it, and wait while the child is down and there is no value. The zero
// Ref is ready to use. It may be used by any number of goroutines, and must not be
// copied.
type Ref[T any] struct {
	mu    sync.Mutex
	owner Context // of the run that set the value; nil: there is no value
	value T
	fate  runkey.Oracle // of the child that set the last value; nil: unknown
	next  chan struct{} // closed by the next Set; nil: no Get waits
}

// Set publishes v for the run that ctx belongs to. The value is withdrawn when that run is
// stopped or ends. A later Set, of this run or another, replaces it. If ctx is nil or has
// ended, Set does nothing.
func (r *Ref[T]) Set(ctx Context, v T) {
	if ctx == nil {
		return
	}
	fate, _ := ctx.Value(runkey.Fate{}).(runkey.Oracle)
	r.mu.Lock()
	defer r.mu.Unlock()
	// Checked under the lock: a run that ends now must not replace the value of its successor.
	if ctx.Err() != nil {
		return
	}
	r.owner, r.value, r.fate = ctx, v, fate
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// Get returns the current value. If there is none, it waits for one until ctx ends, and
// then returns the cause of ctx.
//
// Get does not wait for a child that is gone for good. If the child that set the last
// value was removed, is Done, or its tree has ended, Get returns an error that wraps
// ErrGone. It does wait for a child that may come back: one that waits for its restart,
// was stopped by a call, or whose supervisor is down and will be restarted. If a child
// that was gone is started again, by RestartChild or a new start of the tree, Get waits
// again from that start on.
//
// Get also waits as long as no child has set a value, and if the last value was set
// outside of any supervisor, because then it does not know which child to expect.
func (r *Ref[T]) Get(ctx context.Context) (T, error) {
	var none T
	if ctx == nil {
		return none, errors.New("child: nil context")
	}
	var worse chan struct{} // receives when the child may be gone; nil: not needed yet
	for {
		v, ok, next, fate := r.look()
		if ok {
			return v, nil
		}
		unwatch := func() {}
		if fate != nil {
			if worse == nil {
				worse = make(chan struct{}, 1)
			}
			gone, stop := fate.Gone(worse)
			if gone && !isClosed(next) { // if next is closed there is a new value, perhaps of another child
				return none, fmt.Errorf("%s: %w", fate.Path(), ErrGone)
			}
			if !gone {
				unwatch = stop
			}
		}
		ended := false
		select {
		case <-next:
		case <-worse:
		case <-ctx.Done():
			ended = true
		}
		unwatch()
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

// Load returns the current value without waiting; ok is false if there is none.
func (r *Ref[T]) Load() (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current()
}

// look returns the current value. If there is none, it returns a channel that the next
// Set closes, and the fate of the child that set the last value.
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

// current checks the owner's context, so that the value ends at the same moment as its
// run, and drops a value that has ended. r.mu must be held.
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
