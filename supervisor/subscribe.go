package supervisor

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
)

// Subscribe has f called for each event of this supervisor and of all below
// it, of the given kinds, or of all kinds if none is given. It may be called
// before the first start, and holds until cancel is called, over all starts. It takes
// constant time, however many subscribers there are; each event costs something for
// each that wants it.
//
// f gets the events one at a time and in order, on a goroutine that supervision never
// waits for: it may take its time, and call anything, Stop included. Events it is too
// slow for wait in a queue; when that is full the oldest are dropped, and the
// next event says how many (Lost). A thousand failures and other trouble are kept
// beside a thousand of the rest, so that failures are never pushed out by
// starts. A panic in f is logged to slog.Default() and ends nothing. Serve, Stop and
// Wait return when f has been given the last events of the tree, or after a second.
//
// cancel may be called from anywhere, and more than once. When it returns, f is not
// running and will not be called again. Called from inside f, or from any other
// subscriber or log handler of this package, it does not wait. It waits for ever for an
// f that never returns, and for one that waits for the caller of cancel. Subscribe of a
// nil f does nothing.
func (s *Supervisor) Subscribe(f func(Event), only ...EventKind) (cancel func()) {
	if f == nil {
		return func() {}
	}
	sub := newSubscription(f, only)
	sub.awaited = true
	s.subs.add(sub)
	return func() { s.unsubscribe(sub) }
}

func newSubscription(f func(Event), only []EventKind) *subscription {
	sub := &subscription{f: f, kinds: allKinds}
	if len(only) > 0 {
		sub.kinds = 0
		for _, kind := range only {
			sub.kinds |= kind.set()
		}
		sub.kinds &= allKinds
	}
	return sub
}

func (s *Supervisor) unsubscribe(sub *subscription) {
	s.subs.remove(sub)
	sub.cancel()
	if !delivering() {
		<-sub.drained()
	}
}

// subscriptions are those of one supervisor. Its lock comes after that of a tree and
// before those of subscriptions.
type subscriptions struct {
	kinds atomic.Uint32 // that any of them wants

	mu    sync.Mutex
	first *subscription
	want  [EventGaveUp + 1]int // how many want each kind
}

func (all *subscriptions) add(sub *subscription) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if sub.next = all.first; sub.next != nil {
		sub.next.prev = sub
	}
	all.first, sub.listed = sub, true
	all.count(sub, 1)
}

// remove takes one off the list. Another time it does nothing.
func (all *subscriptions) remove(sub *subscription) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if !sub.listed {
		return
	}
	if sub.prev != nil {
		sub.prev.next = sub.next
	} else {
		all.first = sub.next
	}
	if sub.next != nil {
		sub.next.prev = sub.prev
	}
	sub.prev, sub.next, sub.listed = nil, nil, false
	all.count(sub, -1)
}

func (all *subscriptions) count(sub *subscription, by int) {
	var kinds kinds
	for kind := EventKind(1); kind.valid(); kind++ {
		if sub.kinds&kind.set() != 0 {
			all.want[kind] += by
		}
		if all.want[kind] > 0 {
			kinds |= kind.set()
		}
	}
	all.kinds.Store(uint32(kinds))
}

// put queues an event of a tree for those of the supervisor at base who want it.
func (all *subscriptions) put(e *Event, base string) {
	if kinds(all.kinds.Load())&e.Kind.set() == 0 {
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for s := all.first; s != nil; s = s.next {
		if s.kinds&e.Kind.set() != 0 && s.covers(base, e.Path) {
			s.put(e)
		}
	}
}

// busy returns those that have events to deliver and whose delivery the end of a tree
// waits for.
func (all *subscriptions) busy() (busy []*subscription) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for s := all.first; s != nil; s = s.next {
		if s.awaited && s.waits() {
			busy = append(busy, s)
		}
	}
	return busy
}

// maxQueued is how many events of each sort wait for a subscriber.
const maxQueued = 1000

// A subscription is a subscriber and the events that wait for it. A goroutine
// delivers them; it is started when there are some, and ends when there are none.
type subscription struct {
	f       func(Event)
	kinds   kinds
	at      string // path of what it is about; empty: all
	awaited bool   // the end of a tree waits until it has delivered all

	prev, next *subscription // among those of its supervisor, as is:
	listed     bool

	mu          sync.Mutex
	quiet, loud ring
	count, last uint64 // of events so far; the last that was delivered
	busy        bool   // the goroutine runs
	cancelled   bool
	idle        chan struct{} // closed when it has ended, for all who wait; nil: nobody does
}

// put queues an event. It neither blocks nor runs user code.
func (s *subscription) put(e *Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancelled {
		return
	}
	s.count++
	e.order = s.count
	q := &s.quiet
	if e.Kind.set()&loudKinds != 0 {
		q = &s.loud
	}
	q.push(e)
	if !s.busy {
		s.busy = true
		go s.deliver()
	}
}

// take returns the next event, or reports that there is none, and then the
// delivering ends.
func (s *subscription) take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.quiet
	if q.count == 0 || s.loud.count > 0 && s.loud.front().order < q.front().order {
		q = &s.loud
	}
	if q.count == 0 || s.cancelled {
		s.busy = false
		if s.idle != nil {
			close(s.idle)
			s.idle = nil
		}
		return Event{}, false
	}
	e := q.pop()
	e.Lost, s.last = e.order-s.last-1, e.order // what is missing between was dropped
	return e, true
}

// deliver calls the subscriber until no event is left.
func (s *subscription) deliver() {
	pprof.SetGoroutineLabels(context.Background()) // not those of the child that had the news
	done := false
	defer func() {
		if !done {
			go s.deliver() // f called Goexit
		}
	}()
	for {
		e, ok := s.take()
		if !ok {
			done = true
			return
		}
		s.call(e)
	}
}

// call is not inlined, and its name not changed, for delivering.
//
//go:noinline
func (s *subscription) call(e Event) {
	defer func() {
		if v := recover(); v != nil {
			defer func() { _ = recover() }() // the default logger may be what is broken
			slog.Error("coppice: an event subscriber panicked", "err", child.Recovered(v), "event", e.Kind.String(), "path", e.Path)
		}
	}()
	e.fill()
	s.f(e)
}

// delivering reports whether it is called from inside a subscriber: to wait for one from
// there might be to wait for oneself.
func delivering() bool {
	var calls [64]uintptr
	for skip := 2; ; skip += len(calls) {
		n := runtime.Callers(skip, calls[:])
		frames := runtime.CallersFrames(calls[:n])
		for {
			frame, more := frames.Next()
			if strings.HasSuffix(frame.Function, "supervisor.(*subscription).call") {
				return true
			}
			if !more {
				break
			}
		}
		if n < len(calls) {
			return false
		}
	}
}

// drained returns a channel that is closed when nothing waits.
func (s *subscription) drained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy && s.idle != nil {
		return s.idle
	}
	done := make(chan struct{})
	if s.busy {
		s.idle = done
	} else {
		close(done)
	}
	return done
}

// waits reports whether something waits, or is being delivered.
func (s *subscription) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

func (s *subscription) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = true
	s.quiet, s.loud = ring{}, ring{}
}

// A ring is a queue that drops its oldest event rather than grow beyond maxQueued.
type ring struct {
	events      []Event
	head, count int
}

func (q *ring) front() *Event { return &q.events[q.head] }

func (q *ring) push(e *Event) {
	if q.count == maxQueued {
		q.pop()
	}
	if q.count == len(q.events) {
		grown := make([]Event, min(max(8, 2*len(q.events)), maxQueued))
		for i := range q.count {
			grown[i] = q.events[(q.head+i)%len(q.events)]
		}
		q.events, q.head = grown, 0
	}
	q.events[(q.head+q.count)%len(q.events)] = *e
	q.count++
}

func (q *ring) pop() Event {
	e := q.events[q.head]
	q.events[q.head] = Event{}
	q.head = (q.head + 1) % len(q.events)
	q.count--
	return e
}
