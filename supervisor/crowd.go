package supervisor

import (
	"runtime"
	"time"
)

// crowd is how many runs are a crowd: so many that it pays if the first one that becomes ready,
// or returns, lets the others go first, and what they all do is handled together. A run counts
// from its start until it is ready, and from the request to stop until it has returned.
const crowd = 32

// letOthers lets the others of a crowd go first. It returns how long that took.
func (l *life) letOthers() time.Duration {
	began := l.now()
	runtime.Gosched()
	return l.now() - began
}

// inVain reports whether it took long to let others go first, for the number of those that
// came meanwhile. Then those that count are slow, and the caller halves their number, so that
// they are soon no crowd. Otherwise each child of a chain beside them would let everything else
// in the process go first.
func inVain(came int, took time.Duration) bool {
	return took > time.Duration(max(1, came))*100*time.Microsecond
}

// countCrowd notes whether Ready is to post. l.mu must be held.
func (l *life) countCrowd() {
	if many := l.graph && l.starting >= crowd; many != l.postsReady.Load() {
		l.postsReady.Store(many)
	}
}

// less subtracts 1 from the number of runs that are about to do something, of which some may be
// forgotten.
func less(n *int) { *n = max(0, *n-1) }
