package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// The children of a crew that ends return side by side, a hundred thousand maybe. If
// each took the lock for the news of its end, that would be most of what an end costs.
// So they post their news in a list, and who finds it empty takes the lock and brings
// the news of all that are in it by then. The others are gone by that time. As ever,
// what comes to the lock before the news takes the children for alive.

// postEnd posts the news that a run has returned nil, as its supervisor ends.
func (l *life) postEnd(r *run) {
	for {
		last := l.ends.Load()
		r.chain = last
		if !l.ends.CompareAndSwap(last, r) {
			continue
		}
		if last == nil {
			l.bringEnds()
		}
		return // from here on r.chain is not this goroutine's
	}
}

// bringEnds brings what has been posted, in stretches like those in which a crew is
// asked to stop: other events may come between two of them.
func (l *life) bringEnds() {
	var s step
	for more := true; more; {
		l.mu.Lock()
		if l.fetched == nil {
			l.fetched = inOrder(l.ends.Swap(nil)) // before it is looked who wants to know of them
		}
		now := l.entered()
		for n := 0; l.fetched != nil && n < machine.BatchSize; n++ {
			r := l.fetched
			l.fetched, r.chain = r.chain, nil
			if l.ended(r, machine.Outcome{Kind: machine.Normal}, now) {
				s.note(endGrace, r)
			}
			l.perform(&s)
		}
		more = l.fetched != nil || l.ends.Load() != nil
		l.mu.Unlock()
		l.settle(&s)
		s.reset()
	}
}

// inOrder turns a list round: the first to end was posted first.
func inOrder(last *run) (first *run) {
	for last != nil {
		last.chain, first, last = first, last, last.chain
	}
	return first
}

// ended brings the machine the news of an end. It reports whether a grace has to be
// ended, which was asked for in this very moment. Under the lock.
func (l *life) ended(r *run, out machine.Outcome, now time.Duration) (graced bool) {
	if !r.ended {
		r.hasEnded()
		graced = r.has().grace != nil
	}
	if r.has().straggler != nil {
		l.tree.returned(r)
	}
	l.m.Unready = r.timeUnready(now)
	l.m.Exited(r.child, r.number(), out, now)
	return graced
}
