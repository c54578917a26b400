package registry

import (
	"container/list"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
)

// A Change is an entry that was added or withdrawn. A loop over Watch sees each entry at
// most twice: when it is added, and when it is withdrawn. A value that is replaced by its run
// is withdrawn, and then the new one is added. The changes of a key come in order.
//
// A slow loop delays nothing else. It misses entries that come and go while it is busy, but
// in the end it has seen all entries that stay.
type Change[K comparable, V any] struct {
	Key   K
	Value V
	Owner string // path of the child; empty outside of a supervisor
	Added bool   // false: it was withdrawn
}

// watchers are the loops over Watch. The list is replaced and never written.
type watchers[K comparable, V any] struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*watcher[K, V]]
}

func (ws *watchers[K, V]) all() []*watcher[K, V] {
	if all := ws.list.Load(); all != nil {
		return *all
	}
	return nil
}

func (ws *watchers[K, V]) change(f func([]*watcher[K, V]) []*watcher[K, V]) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	next := f(slices.Clone(ws.all()))
	ws.list.Store(&next)
}

// added and ended pass a change on. The lock of the key's shard must be held: it keeps the
// changes of a key in order.
func (ws *watchers[K, V]) added(key K, e *entry[V]) {
	for _, w := range ws.all() {
		w.added(key, e)
	}
}

func (ws *watchers[K, V]) ended(e *entry[V]) {
	for _, w := range ws.all() {
		w.ended(e)
	}
}

// A watcher is one loop. It has a callback on the run of each entry that the loop has seen,
// so an entry that is not watched needs none.
type watcher[K comparable, V any] struct {
	mu    sync.Mutex
	seen  map[*entry[V]]*sight[K, V] // nil once the loop has ended
	queue list.List                  // of *sight: what the loop must report
	wake  chan struct{}              // receives when the queue may have something
}

// A sight is what a watcher knows of an entry. It is guarded by the watcher's lock.
type sight[K comparable, V any] struct {
	key      K
	entry    *entry[V]
	queued   *list.Element // nil: not in the queue
	reported bool          // the loop has seen that it was added
	unwatch  func() bool   // removes the callback on its run
}

func (w *watcher[K, V]) push(s *sight[K, V]) {
	s.queued = w.queue.PushBack(s)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher[K, V]) added(key K, e *entry[V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen != nil && w.seen[e] == nil {
		s := &sight[K, V]{key: key, entry: e}
		w.seen[e] = s
		w.push(s)
	}
}

// ended reports the end of an entry to the loop, if that has seen its beginning.
func (w *watcher[K, V]) ended(e *entry[V]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.seen[e]; s != nil && s.reported && s.queued == nil {
		w.push(s)
	}
}

// forget removes an entry, and what the loop has not yet seen of it. The lock must be held.
func (w *watcher[K, V]) forget(s *sight[K, V]) {
	if s.queued != nil {
		w.queue.Remove(s.queued)
		s.queued = nil
	}
	delete(w.seen, s.entry)
}

// next returns the next sight to report; nil if there is none.
func (w *watcher[K, V]) next() (s *sight[K, V], ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	front := w.queue.Front()
	if front == nil {
		return nil, false
	}
	s = front.Value.(*sight[K, V])
	w.queue.Remove(front)
	s.queued = nil
	if s.reported {
		delete(w.seen, s.entry)
		return s, true
	}
	s.reported = true
	return s, false
}

// begin prepares to report that an entry was added. It reports false if it has ended already.
func (w *watcher[K, V]) begin(s *sight[K, V]) bool {
	if !s.entry.alive() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.forget(s)
		return false
	}
	unwatch := context.AfterFunc(s.entry.owner, func() { w.ended(s.entry) })
	w.mu.Lock()
	defer w.mu.Unlock()
	s.unwatch = unwatch
	return true
}

// prune forgets entries that have ended before the loop has seen them. A sweep does that, so
// that the queue of a slow loop is bounded by what there is.
func (w *watcher[K, V]) prune() {
	w.mu.Lock()
	var waiting []*sight[K, V]
	for at := w.queue.Front(); at != nil; at = at.Next() {
		if s := at.Value.(*sight[K, V]); !s.reported {
			waiting = append(waiting, s)
		}
	}
	w.mu.Unlock()
	for _, s := range waiting {
		if !s.entry.isOver() {
			continue
		}
		w.mu.Lock()
		if !s.reported {
			w.forget(s)
		}
		w.mu.Unlock()
	}
}

// close removes the callbacks.
func (w *watcher[K, V]) close() {
	w.mu.Lock()
	seen := w.seen
	w.seen = nil
	w.mu.Unlock()
	for _, s := range seen {
		if s.unwatch != nil {
			s.unwatch()
		}
	}
}

func (t *table[K, V]) watch(ctx context.Context) iter.Seq[Change[K, V]] {
	return func(yield func(Change[K, V]) bool) {
		if ctx == nil {
			return
		}
		w := &watcher[K, V]{seen: make(map[*entry[V]]*sight[K, V]), wake: make(chan struct{}, 1)}
		t.watchers.change(func(all []*watcher[K, V]) []*watcher[K, V] { return append(all, w) })
		defer w.close()
		defer t.watchers.change(func(all []*watcher[K, V]) []*watcher[K, V] {
			return slices.DeleteFunc(all, func(one *watcher[K, V]) bool { return one == w })
		})
		for part := range t.parts { // after that: what is added now is not missed
			for _, k := range part {
				for _, e := range k.entries {
					w.added(k.key, e)
				}
			}
		}
		for ctx.Err() == nil {
			s, ended := w.next()
			if s == nil {
				select {
				case <-w.wake:
				case <-ctx.Done():
				}
				continue
			}
			if !ended && !w.begin(s) {
				continue
			}
			if !yield(Change[K, V]{s.key, s.entry.value, s.entry.owner.Path(), !ended}) {
				return
			}
		}
	}
}
