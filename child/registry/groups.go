package registry

import (
	"context"
	"iter"

	"github.com/coppice-go/coppice/child"
)

// Groups holds any number of values for each key, each of which belongs to a run. The zero
// Groups is ready to use. It may be used by any number of goroutines, and must not be copied.
type Groups[K comparable, V any] struct{ lazy lazy[K, V] }

func (g *Groups[K, V]) table() *table[K, V] { return g.lazy.get(false) }

// Join adds a value to the group of the key, until the run that ctx belongs to is asked to
// stop, or ends. A run can be in a group several times. If ctx has ended, Join returns its
// cause. A nil ctx, and a key that is not equal to itself (NaN), are errors.
func (g *Groups[K, V]) Join(ctx child.Context, key K, v V) error {
	if key != key {
		return errNotEqual
	}
	if err := refusal(ctx); err != nil {
		return err
	}
	t, e := g.table(), &entry[V]{value: v, owner: ctx}
	for {
		full, ok := t.push(key, e)
		if ok {
			break
		}
		// Before a group grows, those that have left are dropped. So a group that always has
		// some members does not grow without limit between two sweeps.
		kept := living(full)
		larger := append(make([]*entry[V], 0, 2*len(kept)+1), kept...)
		if t.swap(key, full, append(larger, e), nil, e) {
			break
		}
	}
	t.arm()
	return nil
}

// Leave withdraws all values of the run that ctx belongs to from the group of the key. It is
// needed only by a run that continues outside of the group.
func (g *Groups[K, V]) Leave(ctx child.Context, key K) {
	if ctx != nil {
		g.table().leave(key, func(e *entry[V]) bool { return e.alive() && sameRun(e.owner, ctx) })
	}
}

// Members returns the values in the group of the key, in the order in which they joined. A
// value that joins during the loop is not in it, and one that is withdrawn meanwhile is left
// out. The loop may call any method.
func (g *Groups[K, V]) Members(key K) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, e := range g.table().load(key) {
			if e.alive() && !yield(e.value) {
				return
			}
		}
	}
}

// Len returns how many values there are in all groups. It looks at each of them.
func (g *Groups[K, V]) Len() int { return g.table().count() }

// All returns all keys with their values: a key as often as it has values. The keys are in
// no order, and the values of a key in the order in which they joined. The loop may call any
// method.
func (g *Groups[K, V]) All() iter.Seq2[K, V] { return g.table().all }

// Watch returns the values that are there when the loop begins, then each change, until ctx
// ends. See Change.
func (g *Groups[K, V]) Watch(ctx context.Context) iter.Seq[Change[K, V]] {
	return g.table().watch(ctx)
}
