package supervisor

import (
	"slices"
	"sync"
	"time"
)

// shared is what all supervisors of one tree share, for one life of its root. Its lock
// may be taken while the lock of a life is held.
type shared struct {
	dumps dumps // has a lock of its own

	mu          sync.Mutex
	seq         uint64                 // of the latest event
	lastTime    time.Time              // when that was
	abandoned   []*run                 // abandoned runs that have not returned, the first to be abandoned first
	undelivered map[*subscription]bool // of nested supervisors that have ended, with events still to be delivered
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
	waiting := l.sup.subs.busy()
	if l.log.queue.waits() {
		waiting = append(waiting, &l.log.queue)
	}
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
