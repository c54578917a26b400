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
	sets  uint64  // number of calls of Set that had an effect
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
	for {
		before := r.setsSoFar()
		// Outside the lock: Err may be a user's method. A run that ends now must not replace
		// the value of its successor, so the check is repeated if another Set came first.
		if ctx.Err() != nil || r.replace(before, ctx, v, fate) {
			return
		}
	}
}

func (r *Ref[T]) setsSoFar() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets
}

// replace sets the value, unless another Set came first. It reports whether it did.
func (r *Ref[T]) replace(before uint64, ctx Context, v T, fate runkey.Oracle) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets != before {
		return false
	}
	r.sets++
	r.owner, r.value, r.fate = ctx, v, fate
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
	return true
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
	v, ok, _ = r.current()
	return v, ok
}

// look returns the current value. If there is none, it returns a channel that the next
// Set closes, and the fate of the child that set the last value.
func (r *Ref[T]) look() (v T, ok bool, next <-chan struct{}, fate runkey.Oracle) {
	for {
		v, ok, sets := r.current()
		if ok {
			return v, true, nil, nil
		}
		if next, fate, still := r.await(sets); still {
			return v, false, next, fate
		}
	}
}

// await returns a channel that the next Set closes and the fate of the child that set the
// last value, unless there was another Set meanwhile.
func (r *Ref[T]) await(sets uint64) (next <-chan struct{}, fate runkey.Oracle, still bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets != sets {
		return nil, nil, false
	}
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return r.next, r.fate, true
}

// current returns the current value and the number of Sets so far. It checks the owner's
// context, so that the value ends at the same moment as its run, and drops a value that has
// ended. It does so outside the lock: Err may be a user's method.
func (r *Ref[T]) current() (v T, ok bool, sets uint64) {
	r.mu.Lock()
	owner, v, sets := r.owner, r.value, r.sets
	r.mu.Unlock()
	switch {
	case owner == nil:
		return v, false, sets
	case owner.Err() == nil:
		return v, true, sets
	}
	var none T
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets == sets {
		r.owner, r.value = nil, none
	}
	return none, false, sets
}
