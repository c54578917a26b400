package registry

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
)

// ErrTaken is the error of Register if another run owns the key. It is wrapped in an error
// that names the path of that run's child.
var ErrTaken = errors.New("key is taken")

var errNotEqual = errors.New("registry: the key is not equal to itself")

// A Registry holds a value for each key, and each key has one owner. The zero Registry is
// ready to use. It may be used by any number of goroutines, and must not be copied.
type Registry[K comparable, V any] struct{ lazy lazy[K, V] }

func (r *Registry[K, V]) table() *table[K, V] { return r.lazy.get(true) }

// Register makes the run that ctx belongs to the owner of the key, until that run is asked
// to stop, or ends. If the run is the owner already, its value is replaced.
//
// If another run owns the key, Register returns an error that wraps ErrTaken. A run that was
// asked to stop owns nothing any more, even if it has not returned. If ctx has ended,
// Register returns its cause. A nil ctx, and a key that is not equal to itself (NaN), are
// errors.
func (r *Registry[K, V]) Register(ctx child.Context, key K, v V) error {
	if key != key {
		return errNotEqual
	}
	t, e := r.table(), &entry[V]{value: v, owner: ctx}
	for {
		// Each time: a run that ends now must not replace its successor.
		if err := refusal(ctx); err != nil {
			return err
		}
		old := t.load(key)
		if len(old) > 0 && old[0].alive() && !sameRun(old[0].owner, ctx) {
			return takenBy(old[0].owner)
		}
		if t.swap(key, old, e.alone(), old, e) {
			t.arm()
			return nil
		}
	}
}

// takenBy returns the error of Register for a key that another run owns.
func takenBy(owner child.Context) error {
	if path := owner.Path(); path != "" {
		return fmt.Errorf("%w by %s", ErrTaken, oneline.Text(path))
	}
	return fmt.Errorf("%w by a run without a supervisor", ErrTaken)
}

// Unregister withdraws the key, if the run that ctx belongs to owns it. Otherwise it does
// nothing. It is needed only by a run that continues without the key.
func (r *Registry[K, V]) Unregister(ctx child.Context, key K) {
	if ctx != nil {
		r.table().leave(key, func(e *entry[V]) bool { return e.alive() && sameRun(e.owner, ctx) })
	}
}

// Load returns the value of the owner of the key without waiting; ok is false if the key has
// no owner now.
func (r *Registry[K, V]) Load(key K) (v V, ok bool) {
	if entries := r.table().load(key); len(entries) > 0 && entries[0].alive() {
		return entries[0].value, true
	}
	return v, false
}

// Len returns how many keys have an owner. It looks at each of them.
func (r *Registry[K, V]) Len() int { return r.table().count() }

// All returns the keys that have an owner, and their values, in no order. An entry that is
// there from the beginning of the loop to its end is in it. The loop may call any method.
func (r *Registry[K, V]) All() iter.Seq2[K, V] { return r.table().all }

// Watch returns the entries that are there when the loop begins, then each change, until ctx
// ends. See Change.
func (r *Registry[K, V]) Watch(ctx context.Context) iter.Seq[Change[K, V]] {
	return r.table().watch(ctx)
}
