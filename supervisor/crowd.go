package supervisor

import (
	"runtime"
	"time"
)

// A crowd is that many runs of which each is about to become ready, or to return, as far as one
// can tell: it has just begun, or was just asked to stop. Then the first one lets the others go
// first, and what they do is handled together.
const crowd = 32

// letOthers lets the others of a crowd go first. It returns how long that took.
func (l *life) letOthers() time.Duration {
	began := l.now()
	runtime.Gosched()
	return l.now() - began
}

// inVain reports whether it took longer to let others go first than it takes a crowd, for as
// many as came meanwhile. Then half of them count no longer, so that slow ones are soon a crowd
// no longer. Else each child of a chain beside them would let go first whatever else the process
// does.
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
