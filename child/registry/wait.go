package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
)

// A wait is what the calls of Get for one key wait for.
type wait struct {
	next  chan struct{} // closed when the key is registered
	calls int
}

// await returns a channel that is closed when the key is next registered. leave must be
// called when it is no longer needed.
func (t *table[K, V]) await(key K) (next <-chan struct{}, leave func()) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waits[key]
	if w == nil {
		w = &wait{next: make(chan struct{})}
		if s.waits == nil {
			s.waits = make(map[K]*wait)
		}
		s.waits[key] = w
	}
	w.calls++
	return w.next, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if w.calls--; w.calls == 0 && s.waits[key] == w {
			delete(s.waits, key)
		}
	}
}

// wake ends the waits for a key. s.mu must be held.
func (s *shard[K, V]) wake(key K) {
	if w := s.waits[key]; w != nil {
		close(w.next)
		delete(s.waits, key)
	}
}

// Get returns the value of the owner of the key. If there is none, it waits for one until
// ctx ends, and then returns the cause of ctx.
//
// Get does not wait for an owner that is gone for good. If the child that owned the key last
// was removed, is Done, or its tree has ended, Get returns an error that wraps child.ErrGone
// and begins with the path of that child. It does wait for a child that may come back: one
// that waits for its restart, was stopped by a call, or whose supervisor is down and will be
// restarted.
//
// Get also waits if the key was never registered, if the last owner has withdrawn it by
// Unregister, and if that ran outside of any supervisor, because then it does not know which
// child to expect. Use Load if you do not want to wait.
func (r *Registry[K, V]) Get(ctx context.Context, key K) (V, error) {
	if ctx == nil {
		var none V
		return none, errors.New("registry: nil context")
	}
	if key != key {
		var none V
		return none, errNotEqual // it can never be registered
	}
	if v, ok := r.Load(key); ok {
		return v, nil
	}
	worse := make(chan struct{}, 1) // receives when the last owner may be gone
	for {
		if v, err, ok := r.table().waitOnce(ctx, key, worse); ok {
			return v, err
		}
	}
}

// waitOnce returns the value of a key, or why it is not worth waiting for. If ok is false,
// something has changed, and the caller must try again.
func (t *table[K, V]) waitOnce(ctx context.Context, key K, worse chan struct{}) (v V, err error, ok bool) {
	next, leave := t.await(key)
	defer leave()
	if entries := t.load(key); len(entries) > 0 {
		e := entries[0]
		if e.alive() {
			return e.value, nil, true
		}
		if fate := fateOf(e.owner); fate != nil {
			gone, forget := fate.Gone(worse)
			if gone {
				select {
				case <-next: // there is a new owner, perhaps another child
					return v, nil, false
				default:
					return v, fmt.Errorf("%s: %w", fate.Path(), child.ErrGone), true
				}
			}
			defer forget()
		}
	}
	select {
	case <-next:
	case <-worse:
	case <-ctx.Done():
		return v, context.Cause(ctx), true
	}
	return v, nil, false
}
