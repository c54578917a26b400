package supervisor

import (
	"slices"
	"sync"
	"time"
)

// shared is what all supervisors of one tree share, for one life of its root. Its lock
// may be taken while the lock of a life is held.
type shared struct {
	dumps dumps // has its own lock

	mu          sync.Mutex
	seq         uint64                 // of the latest event
	lastTime    time.Time              // its time
	abandoned   []*run                 // runs that have not returned, in the order in which they were abandoned
	undelivered map[*subscription]bool // subscriptions of ended nested supervisors that still have events to deliver
}

// returned records that an abandoned run has returned.
func (t *shared) returned(r *run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.abandoned, r); i >= 0 {
		t.abandoned = slices.Delete(t.abandoned, i, i+1)
	}
}

// outlive registers the log and the subscribers of a nested supervisor that has ended, so
// that flush waits for them, and drops those that have delivered everything.
func (t *shared) outlive(l *life) {
	waiting := l.undelivered()
	t.mu.Lock()
	defer t.mu.Unlock()
	for sub := range t.undelivered {
		if !sub.waits() {
			delete(t.undelivered, sub)
		}
	}
	for _, sub := range waiting {
		if t.undelivered == nil {
			t.undelivered = make(map[*subscription]bool)
		}
		t.undelivered[sub] = true
	}
}
