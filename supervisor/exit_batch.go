package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// When an Independent supervisor ends, its children return concurrently, perhaps a hundred
// thousand of them. If each took the lock for its exit, that would be most of the cost of
// the end. So each pushes its exit onto a lock-free list, and one of them takes the lock and
// handles the whole list. The other goroutines are gone by then. A caller that takes the lock
// before that still sees the children as alive. The same goes for a Graph supervisor, where
// the exits of a batch decide which children are asked to stop next.

// pushExit queues the exit of a run that has returned nil while its supervisor ends.
func (l *life) pushExit(r *run) {
	for {
		last := l.exits.Load()
		r.nextPosted = last
		if !l.exits.CompareAndSwap(last, r) {
			continue
		}
		if l.drainer.CompareAndSwap(false, true) {
			l.drainExits()
		}
		return // from here on r.nextPosted is not this goroutine's
	}
}

// drainExits handles the queued exits, in batches of the size in which children are asked
// to stop: other events may be handled between two batches.
//
// The next run may take over when a batch has been handled under the lock: it need not wait
// until the tasks that follow are done. A run that has cleared drainer looks at the list after
// that, so no exit stays there.
//
// While a crowd of children is about to return, those that can run now go first, so that a
// batch has many exits.
func (l *life) drainExits() {
	var s step
	for more := true; more; {
		var took time.Duration
		if l.crowded.Load() {
			took = l.letOthers()
		}
		l.lock()
		if l.draining == nil {
			l.draining = inOrder(l.exits.Swap(nil)) // before entered looks which kinds have subscribers
		}
		n := l.drainBatch(&s)
		more = l.draining != nil
		if !more {
			l.drainer.Store(false)
		}
		if n > 0 && inVain(n, took) {
			l.leaving /= 2
		}
		l.crowded.Store(!more && l.leaving >= crowd)
		l.mu.Unlock()
		l.runTasks(&s)
		s.reset()
		more = more || l.exits.Load() != nil
	}
}

// drainBatch passes a batch of exits to the machine. It returns how many. l.mu must be held.
func (l *life) drainBatch(s *step) (n int) {
	now := l.entered()
	for ; l.draining != nil && n < machine.BatchSize; n++ {
		r := l.draining
		l.draining, r.nextPosted = r.nextPosted, nil
		if l.exited(r, machine.Outcome{Kind: machine.Normal}, now) {
			s.note(endGrace, r)
		}
		l.perform(s)
		l.m.SameBatch = true // with the events after it
	}
	l.m.SameBatch = false
	return n
}

// inOrder reverses the list, so that exits are handled in the order in which they
// happened.
func inOrder(last *run) (first *run) {
	for last != nil {
		last.nextPosted, first, last = first, last, last.nextPosted
	}
	return first
}
