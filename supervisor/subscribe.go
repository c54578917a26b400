package supervisor

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/coppice-go/coppice/child"
)

// Subscribe has f called for each event of this supervisor and of all below
// it, of the given kinds, or of all kinds if none is given. It may be called
// before the first start, and holds until cancel is called, over all starts.
//
// f gets the events one at a time and in order, on a goroutine that nobody waits
// for: it may take its time, and call anything, Stop included. Events it is too
// slow for wait in a queue; when that is full the oldest are dropped, and the
// next event says how many (Lost). A thousand failures and other trouble are kept
// beside a thousand of the rest, so that failures are never pushed out by
// starts. A panic in f is logged to slog.Default() and ends nothing. The last
// events of a tree may reach f after Serve or Stop has returned.
//
// cancel may be called from anywhere, and more than once. A call of f that is
// under way goes on; no other begins. Subscribe of a nil f does nothing.
func (s *Supervisor) Subscribe(f func(Event), only ...EventKind) (cancel func()) {
	if f == nil {
		return func() {}
	}
	sub := newSubscription(f, only)
	s.subscribe(sub)
	return func() { s.unsubscribe(sub) }
}

func newSubscription(f func(Event), only []EventKind) *subscription {
	sub := &subscription{f: f, kinds: allKinds}
	if len(only) > 0 {
		sub.kinds = 0
		for _, kind := range only {
			sub.kinds |= kind.set()
		}
	}
	return sub
}

func (s *Supervisor) subscribe(sub *subscription) {
	s.changeSubs(func(subs []*subscription) []*subscription { return append(subs, sub) })
}

func (s *Supervisor) unsubscribe(sub *subscription) {
	s.changeSubs(func(subs []*subscription) []*subscription {
		return slices.DeleteFunc(subs, func(x *subscription) bool { return x == sub })
	})
	sub.cancel()
}

// changeSubs replaces the list of subscriptions: whoever reads the old one may
// go on doing so.
func (s *Supervisor) changeSubs(change func([]*subscription) []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subs []*subscription
	if old := s.subs.Load(); old != nil {
		subs = slices.Clone(*old)
	}
	subs = change(subs)
	var want kinds
	for _, sub := range subs {
		want |= sub.kinds
	}
	s.subs.Store(&subs)
	s.kinds.Store(uint32(want))
}

// maxQueued is how many events of each sort wait for a subscriber.
const maxQueued = 1000

// A subscription is a subscriber and the events that wait for it. A goroutine
// delivers them; it is started when there are some, and ends when there are none.
type subscription struct {
	f     func(Event)
	kinds kinds
	at    string // path of what it is about; empty: all

	mu          sync.Mutex
	quiet, loud ring
	count, last uint64 // of events so far; the last that was delivered
	busy        bool   // the goroutine runs
	cancelled   bool
	idle        []chan struct{} // to be closed when it has ended
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
		for _, waiting := range s.idle {
			close(waiting)
		}
		s.idle = nil
		return Event{}, false
	}
	e := q.pop()
	e.Lost, s.last = e.order-s.last-1, e.order // what is missing between was dropped
	return e, true
}

// deliver calls the subscriber until no event is left.
func (s *subscription) deliver() {
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

// drained returns a channel that is closed when nothing waits.
func (s *subscription) drained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan struct{})
	if s.busy {
		s.idle = append(s.idle, done)
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
