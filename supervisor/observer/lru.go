package observer

// An lru is a bounded map that forgets the value that was used least recently. A value
// has its place in the list in itself.
type lru[V any] struct {
	most  int
	byKey map[string]V
	place func(V) *lruElement[V]
	root  lruElement[V] // its next is the latest, its prev the oldest
}

// lruElement is a value's place in the list.
type lruElement[V any] struct {
	prev, next *lruElement[V]
	key        string
	value      V
}

func newLRU[V any](most int, place func(V) *lruElement[V]) *lru[V] {
	l := &lru[V]{most: most, byKey: map[string]V{}, place: place}
	l.root.prev, l.root.next = &l.root, &l.root
	return l
}

// get returns the value of a key, without using it.
func (l *lru[V]) get(key string) (V, bool) {
	v, ok := l.byKey[key]
	return v, ok
}

// use makes a value the latest.
func (l *lru[V]) use(v V) {
	e := l.place(v)
	if l.root.next == e {
		return
	}
	unlink(e)
	l.link(e)
}

// put adds a value with a new key and forgets the oldest one if there are too many.
func (l *lru[V]) put(key string, v V) {
	if len(l.byKey) >= l.most {
		oldest := l.root.prev
		l.remove(oldest.key)
	}
	e := l.place(v)
	e.key, e.value = key, v
	l.byKey[key] = v
	l.link(e)
}

func (l *lru[V]) remove(key string) {
	if v, ok := l.byKey[key]; ok {
		unlink(l.place(v))
		delete(l.byKey, key)
	}
}

func (l *lru[V]) link(e *lruElement[V]) {
	e.prev, e.next = &l.root, l.root.next
	e.prev.next, e.next.prev = e, e
}

func unlink[V any](e *lruElement[V]) { e.prev.next, e.next.prev = e.next, e.prev }

// all calls f for each value, the latest first.
func (l *lru[V]) all(f func(V)) {
	for e := l.root.next; e != &l.root; e = e.next {
		f(e.value)
	}
}
