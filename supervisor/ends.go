package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A crew that stops ends side by side, a hundred thousand children maybe. If each
// took the lock for the news of its end, that would be most of what an end costs. So
// they leave their news in a list, and who finds it empty brings the news of all that
// are in it by the time it has got the lock. The others are gone by then.

// mostEnds is how many ends are brought in one go: as with the stretches in which a crew
// is asked to stop, other events may come between two of them.
const mostEnds = 256

// leaveEnd leaves the news that a run, which was asked to stop, has ended and was well.
func (l *life) leaveEnd(r *run) {
	for {
		last := l.ends.Load()
		r.later = last
		if !l.ends.CompareAndSwap(last, r) {
			continue
		}
		if last == nil {
			l.bringEnds()
		}
		return // from here on r.later is not this goroutine's
	}
}

// bringEnds brings what has been left.
func (l *life) bringEnds() {
	var s step
	l.mu.Lock()
	left := l.ends.Swap(nil) // before it is looked who wants to know of them
	now := l.entered()
	for n, r := 0, inOrder(left); r != nil; n++ {
		if n == mostEnds {
			l.mu.Unlock()
			l.settle(&s)
			s.reset()
			n, now = 0, l.enter()
		}
		if l.ended(r, machine.Outcome{Kind: machine.Normal}, now) {
			s.leave(endGrace, r)
		}
		l.perform(&s)
		r, r.later = r.later, nil
	}
	l.mu.Unlock()
	l.settle(&s)
}

// inOrder turns a list round: the first to end was left in it first.
func inOrder(last *run) (first *run) {
	for last != nil {
		last.later, first, last = first, last, last.later
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
	l.m.Exited(r.child, r.number(), out, now)
	return graced
}
