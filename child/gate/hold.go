package gate

import (
	"context"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A hold is one lease and what runs under it.
type hold struct {
	gate   *Gate
	lease  Lease
	token  int64
	since  time.Time
	clock  func() time.Duration
	ctx    context.Context // of what runs; has the lease as a value
	cancel context.CancelCauseFunc

	settled chan struct{} // closed when the lease was given up
	err     error         // what went wrong with that; set before settled is closed

	moved chan struct{} // receives when the end of the lease has moved
	gone  chan struct{} // closed when nothing runs any more, and nothing can start

	mu     sync.Mutex
	end    time.Duration // of the lease, by clock
	ends   bool
	first  *running
	runs   int
	closed bool // nothing may start any more
}

// A running is a run that was started under a lease and has not returned.
type running struct {
	ctx        child.Context
	prev, next *running
}

func newHold(g *Gate, ctx context.Context, lease Lease, clock func() time.Duration) *hold {
	h := &hold{
		gate: g, lease: lease, token: lease.Token(), since: time.Now(), clock: clock,
		settled: make(chan struct{}), moved: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	h.ctx, h.cancel = context.WithCancelCause(withLease(ctx, g.spec.Name, lease))
	return h
}

// around is the Around of everything that runs under the lease. It knows what has not
// returned, also of what its supervisor does not wait for.
func (h *hold) around(ctx child.Context, run func(child.Context) error) error {
	r := &running{ctx: ctx}
	if !h.enter(r) {
		return context.Cause(ctx)
	}
	defer h.leave(r)
	return call([2]*running{r}, run)
}

// call calls run. Its name and first argument identify the goroutine in a dump of all
// stacks. The argument is an array because arrays are passed in memory, and a traceback
// prints those reliably.
//
//go:noinline
func call(r [2]*running, run func(child.Context) error) error { return run(r[0].ctx) }

func (h *hold) enter(r *running) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if r.next = h.first; r.next != nil {
		r.next.prev = r
	}
	h.first = r
	h.runs++
	return true
}

func (h *hold) leave(r *running) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.next != nil {
		r.next.prev = r.prev
	}
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		h.first = r.next
	}
	if h.runs--; h.runs == 0 && h.closed {
		close(h.gone)
	}
}

// close lets nothing start any more, and reports whether everything has returned.
func (h *hold) close() (all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		if h.runs == 0 {
			close(h.gone)
		}
	}
	return h.runs == 0
}

// leaseEnds sets the end of the lease.
func (h *hold) leaseEnds(at time.Duration, ends bool) {
	h.mu.Lock()
	changed := h.end != at || h.ends != ends
	h.end, h.ends = at, ends
	h.mu.Unlock()
	if changed {
		select {
		case h.moved <- struct{}{}:
		default:
		}
	}
}

// watch calls Spec.Late when the lease ends before everything has returned. It does not
// depend on the rest of the gate, and goes on after Run has returned, until the lease ends
// or the last run has returned.
func (h *hold) watch(tick time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		h.mu.Lock()
		left, ends := h.end-h.clock(), h.ends
		h.mu.Unlock()
		if ends && left <= 0 {
			break
		}
		var due <-chan time.Time
		if ends {
			timer.Reset(min(left, tick)) // timers stand still while the machine sleeps
			due = timer.C
		}
		select {
		case <-h.gone:
			return
		case <-h.moved:
		case <-due:
		}
	}
	h.close()
	if late := h.late(); len(late.Runs) > 0 {
		h.gate.spec.Late(late)
	}
}

// late describes what has not returned.
func (h *hold) late() *LateError {
	e := &LateError{Name: h.gate.spec.Name, Token: h.token}
	h.mu.Lock()
	all := make([]*running, 0, h.runs)
	for r := h.first; r != nil; r = r.next {
		all = append(all, r)
	}
	h.mu.Unlock()
	stacks := stacksOf(all)
	for i := len(all) - 1; i >= 0; i-- { // in the order of their starts
		e.Runs = append(e.Runs, LateRun{Path: all[i].ctx.Path(), Stack: stacks[all[i]]})
	}
	return e
}
