package supervisor

import (
	"github.com/coppice-go/coppice/internal/machine"
)

// The children of a crew that ends return side by side, a hundred thousand maybe. If
// each took the lock for the news of its end, that would be most of what an end costs.
// So they post their news in a list, and who finds it empty takes the lock and brings
// the news of all that are in it by then. The others are gone by that time. As ever,
// what comes to the lock before the news takes the children for alive.

// pushExit posts the news that a run has returned nil, as its supervisor ends.
func (l *life) pushExit(r *run) {
	for {
		last := l.exits.Load()
		r.nextExit = last
		if !l.exits.CompareAndSwap(last, r) {
			continue
		}
		if last == nil {
			l.drainExits()
		}
		return // from here on r.chain is not this goroutine's
	}
}

// drainExits brings what has been posted, in stretches like those in which a crew is
// asked to stop: other events may come between two of them.
func (l *life) drainExits() {
	var s step
	for more := true; more; {
		l.mu.Lock()
		if l.draining == nil {
			l.draining = inOrder(l.exits.Swap(nil)) // before it is looked who wants to know of them
		}
		now := l.entered()
		for n := 0; l.draining != nil && n < machine.BatchSize; n++ {
			r := l.draining
			l.draining, r.nextExit = r.nextExit, nil
			if l.exited(r, machine.Outcome{Kind: machine.Normal}, now) {
				s.note(endGrace, r)
			}
			l.perform(&s)
		}
		more = l.draining != nil || l.exits.Load() != nil
		l.mu.Unlock()
		l.runTasks(&s)
		s.reset()
	}
}

// inOrder turns a list round: the first to end was posted first.
func inOrder(last *run) (first *run) {
	for last != nil {
		last.nextExit, first, last = first, last, last.nextExit
	}
	return first
}
