package supervisor

import (
	"runtime"

	"github.com/coppice-go/coppice/internal/machine"
)

// When a Graph supervisor starts thousands of children, each is started by the Ready of the
// one that it waited for. If each Ready took the lock, what the supervisor knows would move
// from processor to processor with each of them, and that would be most of the cost of the
// start. So while a crowd of children starts, a Ready only posts that the run is ready, onto a
// lock-free list, and returns. The first on the list undertakes to visit the machine soon.
//
// Nobody can tell the difference: whoever takes the lock first passes to the machine what is
// posted. So once Ready has returned, the child is ready for everyone who looks, and its exit
// is that of a run that was ready. What the machine decides then, such as to start the next
// children, is done by the next visit. When as many runs are posted as a batch has, the next one
// takes the lock, so that nobody holds it for long.

// crowd is how many children that start, or that were asked to stop and have not returned, are
// a crowd.
const crowd = 32

// postReady posts that the run is ready. It reports false if Ready must take the lock: then it
// has posted nothing, or the run was asked to stop at this moment.
func (r *run) postReady() bool {
	l := r.life
	if l.manyPosted.Load() >= machine.BatchSize || r.isAsked() || r.Err() != nil || !r.posted.CompareAndSwap(false, true) {
		return false
	}
	l.manyPosted.Add(1)
	for {
		last := l.posted.Load()
		r.nextPosted = last
		if !l.posted.CompareAndSwap(last, r) {
			continue
		}
		// From here on r.nextPosted is not this goroutine's.
		if r.isAsked() {
			return false
		}
		if last == nil {
			l.visitPosted()
		}
		return true
	}
}

// isAsked reports whether the run was asked to stop.
func (r *run) isAsked() bool { return r.asked.Load() != 0 }

// visitPosted visits the machine for the runs that are posted. Those that can run now go first,
// so that there are many: they had to wait for the processor anyway.
//
//go:noinline
func (l *life) visitPosted() {
	runtime.Gosched()
	l.lock()
	l.leave()
}

// takePosted passes what is posted to the machine. The tasks that follow are left to the next
// visit: there is one, by the first on the list. A run that was asked to stop since it posted is
// no longer ready. l.mu must be held.
//
//go:noinline
func (l *life) takePosted() {
	now, n := l.entered(), int32(0)
	for r := inOrder(l.posted.Swap(nil)); r != nil; {
		next := r.nextPosted
		r.nextPosted = nil
		r.posted.Store(false) // it may now post its exit
		n++
		if r.cause == nil {
			r.isReady(now)
			l.perform(&l.left)
		}
		r = next
	}
	l.manyPosted.Add(-n)
}

// countStarting notes whether a crowd of children starts. l.mu must be held.
func (l *life) countStarting() {
	if many := l.graph && l.m.Starting() >= crowd; many != l.manyStart.Load() {
		l.manyStart.Store(many)
	}
}
