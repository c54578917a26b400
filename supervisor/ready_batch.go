package supervisor

import "github.com/coppice-go/coppice/internal/machine"

// When a Graph supervisor starts thousands of children, each is started by the Ready of the
// one that it waited for. If each Ready took the lock, what the supervisor knows would move
// from processor to processor with each of them, and that would be most of the cost of the
// start. So while a crowd of children starts, a Ready only posts that the run is ready, onto a
// lock-free list, and returns. The first on the list undertakes to visit the machine soon.
//
// A goroutine that takes the lock first passes to the machine what is posted. So once Ready
// has returned, everyone sees that the child is ready, and its exit is that of a run that was
// ready. Only a run that is asked to stop while it is in Ready, or because of one that posted
// before it, may stop without having been ready, although Ready returns nil. What the machine
// decides, such as to start the next children, is done by the next visit. If as many runs are
// posted as a batch has, the next one takes the lock. All that are passed on together share one
// batch. So nobody holds the lock for long.

// The post of a run says whether its first Ready may be posted. Others are never posted.
const (
	mayPost uint32 = iota
	posting        // it is in life.posted, or about to be
	noPost         // it has been taken from there, or takes the lock: nextPosted is free
)

// stopsPosting reports whether the run is not posting, and never will be from now on.
func (r *run) stopsPosting() bool {
	return r.post.CompareAndSwap(mayPost, noPost) || r.post.Load() == noPost
}

// postReady posts that the run is ready. It reports false if Ready must take the lock.
func (r *run) postReady() bool {
	l := r.life
	if l.posts.Load()-l.taken.Load() >= machine.BatchSize || r.Err() != nil || !r.post.CompareAndSwap(mayPost, posting) {
		return false
	}
	for {
		last := l.posted.Load()
		r.nextPosted = last
		if !l.posted.CompareAndSwap(last, r) {
			continue
		}
		if n := l.posts.Add(1); last == nil { // from here on r.nextPosted is not this goroutine's
			l.visitPosted(n)
		}
		return true
	}
}

// afterPost returns what Ready returns if the run has posted and then was asked to stop or has
// ended.
//
//go:noinline
func (r *run) afterPost() error {
	r.life.lock()
	defer r.life.mu.Unlock()
	if r.ready {
		return nil
	}
	return r.refusal()
}

// visitPosted visits the machine for the runs that are posted; n is the number of the first of
// them. Those that can run now go first, so that there are many.
//
//go:noinline
func (l *life) visitPosted(n uint32) {
	took := l.letOthers()
	vain := inVain(int(l.posts.Load()-n), took)
	l.lock()
	if vain {
		l.starting /= 2
	}
	l.leave()
}

// takePosted passes what is posted to the machine. The tasks that follow are left to the next
// visit: there is one, by the first on the list. A run that was asked to stop since it posted,
// or whose exit was handled, is no longer ready. l.mu must be held.
//
//go:noinline
func (l *life) takePosted() {
	r, n := inOrder(l.posted.Swap(nil)), uint32(0) // before entered looks which kinds have subscribers
	now := l.entered()
	for r != nil {
		next := r.nextPosted
		r.nextPosted = nil
		r.post.Store(noPost)
		if r.cause == nil {
			r.isReady(now)
			l.perform(&l.left)
			l.m.SameBatch = true // with the events after it
		}
		n++
		r = next
	}
	l.m.SameBatch = false
	l.taken.Add(n)
}
