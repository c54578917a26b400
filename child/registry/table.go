package registry

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shardCount is the number of locks. Each shard of an All is copied under its lock: with a
// million keys that takes about a tenth of a millisecond.
const shardCount = 128

// A table holds entries by key, in the order in which they were added. A registry has at
// most one for each key.
type table[K comparable, V any] struct {
	seed     maphash.Seed
	shards   [shardCount]shard[K, V]
	watchers watchers[K, V]
	sweeper  sweeper[K, V]
}

// A shard is a part of the keys. Its slices only grow: an element that a reader may see is
// never written again, so a slice can be read without the lock.
type shard[K comparable, V any] struct {
	mu      sync.RWMutex
	entries map[K][]*entry[V]
	waits   map[K]*wait // of keys for which Get waits
	_       [64]byte    // keeps the locks of two shards apart
}

// A lazy is a table that is made when it is first needed.
type lazy[K comparable, V any] struct{ made atomic.Pointer[table[K, V]] }

// get returns the table. unique is that of all calls.
func (l *lazy[K, V]) get(unique bool) *table[K, V] {
	if t := l.made.Load(); t != nil {
		return t
	}
	t := &table[K, V]{seed: maphash.MakeSeed()}
	t.sweeper.unique = unique
	if l.made.CompareAndSwap(nil, t) {
		return t
	}
	return l.made.Load()
}

// shard returns the shard of a key. Hashing panics for an interface that holds something
// without equality, such as a slice: before any lock is taken.
func (t *table[K, V]) shard(key K) *shard[K, V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shardCount]
}

// load returns the entries of a key, which may have ended.
func (t *table[K, V]) load(key K) []*entry[V] {
	t.sweepIfDue()
	s := t.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[key]
}

// swap replaces the entries of a key, unless they have changed since they were old. It
// reports whether it did. It withdraws those in gone, and added is the one in next that is
// new, or nil.
func (t *table[K, V]) swap(key K, old, next, gone []*entry[V], added *entry[V]) bool {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !same(s.entries[key], old) {
		return false
	}
	s.set(key, next)
	for _, e := range gone {
		e.left.Store(true)
		t.watchers.ended(e)
	}
	if added != nil {
		s.wake(key)
		t.watchers.added(key, added)
	}
	return true
}

// push adds an entry to those of a key if that needs no larger slice. If it does, push
// returns the entries instead.
func (t *table[K, V]) push(key K, e *entry[V]) (full []*entry[V], ok bool) {
	t.sweepIfDue()
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch entries := s.entries[key]; {
	case len(entries) == 0:
		s.set(key, e.alone())
	case len(entries) == cap(entries):
		return entries, false
	default:
		s.set(key, append(entries, e))
	}
	t.watchers.added(key, e)
	return nil, true
}

func (s *shard[K, V]) set(key K, entries []*entry[V]) {
	if len(entries) == 0 {
		delete(s.entries, key)
		return
	}
	if s.entries == nil {
		s.entries = make(map[K][]*entry[V])
	}
	s.entries[key] = entries
}

// same reports whether two slices are the same entries. Entries are only ever added to a
// slice, so the first one and the length tell.
func same[V any](a, b []*entry[V]) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// A keyed is a key with its entries.
type keyed[K comparable, V any] struct {
	key     K
	entries []*entry[V]
}

// parts yields copies of the shards, one after another. An entry that stays from the
// beginning to the end is in one of them.
func (t *table[K, V]) parts(yield func([]keyed[K, V]) bool) {
	var part []keyed[K, V]
	for i := range t.shards {
		s := &t.shards[i]
		part = part[:0]
		s.mu.RLock()
		for key, entries := range s.entries {
			part = append(part, keyed[K, V]{key, entries})
		}
		s.mu.RUnlock()
		if len(part) > 0 && !yield(part) {
			return
		}
		clear(part)
	}
}

// all yields the values that are there.
func (t *table[K, V]) all(yield func(K, V) bool) {
	for part := range t.parts {
		for _, k := range part {
			for _, e := range k.entries {
				if e.alive() && !yield(k.key, e.value) {
					return
				}
			}
		}
	}
}

// count returns how many values are there.
func (t *table[K, V]) count() (n int) {
	for range t.all {
		n++
	}
	return n
}

// leave withdraws the entries of a run under a key.
func (t *table[K, V]) leave(key K, mine func(*entry[V]) bool) {
	for {
		old := t.load(key)
		var kept, gone []*entry[V]
		for _, e := range old {
			if mine(e) {
				gone = append(gone, e)
			} else {
				kept = append(kept, e)
			}
		}
		if len(gone) == 0 || t.swap(key, old, kept, gone, nil) {
			return
		}
	}
}
