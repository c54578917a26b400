package child

import (
	"context"
	"errors"
	"sync"
)

// A Ref is a child's current offer to its siblings: a connection, an address,
// a handle. The child sets it in each run; others get it, and wait while there
// is none because the child is down. The zero Ref is ready to use. It may be
// used by any number of goroutines, and must not be copied.
type Ref[T any] struct {
	mu    sync.Mutex
	owner Context // of the run that made the offer; nil: none was made
	value T
	next  chan struct{} // closed by the next Set; nil: nobody waits
}

// Set offers v for the run that ctx belongs to. The offer is withdrawn when
// that run is stopped or ends, and replaced by a later Set, of this run or
// another. With a ctx that is nil or has ended it does nothing.
func (r *Ref[T]) Set(ctx Context, v T) {
	if ctx == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Under the lock: a run that ends here must not push out its successor.
	if ctx.Err() != nil {
		return
	}
	r.owner, r.value = ctx, v
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// Get returns the current offer. If there is none it waits for one until ctx
// ends, and then returns the cause of that.
func (r *Ref[T]) Get(ctx context.Context) (T, error) {
	var none T
	if ctx == nil {
		return none, errors.New("child: nil context")
	}
	for {
		v, ok, next := r.look()
		if ok {
			return v, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}

// Load returns the current offer without waiting; ok is false if there is none.
func (r *Ref[T]) Load() (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current()
}

// look returns the offer, or a channel that the next one closes.
func (r *Ref[T]) look() (v T, ok bool, next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.current(); ok {
		return v, true, nil
	}
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return v, false, r.next
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
