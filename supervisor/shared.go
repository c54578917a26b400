package supervisor

import (
	"sync"
	"sync/atomic"
	"time"
)

// shared is what all supervisors of one tree share, for one life of its root. Its lock
// may be taken while the lock of a life is held.
type shared struct {
	dumps     dumps         // has its own lock
	runs      atomic.Uint64 // number of the latest run
	abandoned atomic.Uint64 // number of runs abandoned so far

	mu          sync.Mutex
	seq         uint64                 // of the latest event
	lastTime    time.Time              // when that was
	undelivered map[*subscription]bool // of nested supervisors that have ended, with events still to be delivered
	lookAt      int                    // size of undelivered at which those that have none left are dropped
}

// Thousands of runs may be abandoned, and return, at once. Each costs constant time for each
// level of the tree, however many there are.

// add records that a run is abandoned.
func (t *shared) add(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.rare.order = t.abandoned.Add(1)
	for l := r.life; ; l = l.parent.life {
		if l.unreturned == nil {
			l.unreturned = make(map[*run]struct{})
		}
		l.unreturned[r] = struct{}{}
		if l.parent == nil {
			return
		}
	}
}

// returned records that an abandoned run has returned.
func (t *shared) returned(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := r.life; ; l = l.parent.life {
		if delete(l.unreturned, r); len(l.unreturned) == 0 {
			l.unreturned = nil // an empty map keeps its memory
		}
		if l.parent == nil {
			return
		}
	}
}

// outlive registers the log and the subscribers of a nested supervisor that has ended, so
// that flush waits for them. It drops those that have delivered everything when they may be
// half of all.
func (t *shared) outlive(l *life) {
	waiting := l.undelivered()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.undelivered) >= t.lookAt {
		for sub := range t.undelivered {
			if !sub.waits() {
				delete(t.undelivered, sub)
			}
		}
		t.lookAt = 2 * len(t.undelivered) // a thousand that end together must not look at each other
	}
	for _, sub := range waiting {
		if t.undelivered == nil {
			t.undelivered = make(map[*subscription]bool)
		}
		t.undelivered[sub] = true
	}
}
