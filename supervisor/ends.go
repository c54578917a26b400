package supervisor

import (
	"time"

	"github.com/coppice-go/coppice/internal/machine"
)

// A crew that stops ends side by side, a hundred thousand children maybe. If each
// took the lock for the news of its end, that would be most of what an end costs. So
// they leave their news in a list, and who finds it empty takes the lock and brings
// the news of all that are in it by then. The others are gone by that time. As ever,
// what comes to the lock before the news takes the children for alive.

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
	for more := true; more; {
		l.mu.Lock()
		if l.left == nil {
			l.left = inOrder(l.ends.Swap(nil)) // before it is looked who wants to know of them
		}
		now := l.entered()
		for n := 0; l.left != nil && n < mostEnds; n++ {
			r := l.left
			l.left, r.later = r.later, nil
			if l.ended(r, machine.Outcome{Kind: machine.Normal}, now) {
				s.leave(endGrace, r)
			}
			l.perform(&s)
		}
		more = l.left != nil || l.ends.Load() != nil
		l.mu.Unlock()
		l.settle(&s)
		s.reset()
	}
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
