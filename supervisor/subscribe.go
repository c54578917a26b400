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

// Subscribe calls f for each event of this supervisor and all below it. If kinds are
// given, f receives only those. Subscribe may be called before the first start; the
// subscription lasts over all starts until cancel is called. Subscribing takes constant
// time, however many subscribers there are; each event has a cost for each of its
// subscribers. SubscribeBatches costs less.
//
// f receives the events one at a time and in order, on a goroutine that supervision never
// waits for. It may be slow and may call anything, Stop included. Up to a thousand events
// that report trouble, such as failures, and a thousand others wait in a queue for f.
// When either part is full, the oldest half of it and the latest events are kept, those
// between them are dropped, and the next event says how many were (Lost). So the beginning
// of a storm is not lost, and starts never displace failures. Of the EventStatus of one run
// only the latest text waits, at the place of the first. A panic in f is logged to slog.Default(),
// and the subscription continues. Serve, Stop and Wait return when f has
// received the last events of the tree, or after one second.
//
// cancel may be called from any goroutine, and more than once. When it returns, f is not
// running and will not be called again. If it is called from f, or from any other
// subscriber or log handler of this package, it does not wait. Otherwise it blocks for as
// long as f does: forever if f never returns, or if f waits for the caller of cancel. If
// f is nil, Subscribe does nothing.
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

// mostFew is the number of subscriptions up to which an event finds them without a lock.
const mostFew = 8

// subscriptionChanges counts the changes of the subscriptions of all supervisors in the
// process. A life remembers which kinds have a subscriber until the count changes: see
// life.subscribed. One count for all is right for a life of any tree, also for one that is
// over but still has abandoned runs.
var subscriptionChanges atomic.Uint64

// subscriptions are the subscriptions of one supervisor. Their lock comes after the lock
// of a tree and before the locks of single subscriptions.
type subscriptions struct {
	kinds atomic.Uint32                   // that have a subscriber
	few   atomic.Pointer[[]*subscription] // all of them, never changed; nil if they are more than mostFew

	mu    sync.Mutex
	first *subscription
	n     int
	want  [EventOver + 1]int // number of subscribers of each kind
}

func (all *subscriptions) add(sub *subscription) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if sub.next = all.first; sub.next != nil {
		sub.next.prev = sub
	}
	all.first, sub.listed = sub, true
	all.count(sub, 1)
	all.list()
}

// remove removes a subscription. Removing it again does nothing.
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
	all.list()
}

// list makes the list of subscriptions again if they are few. all.mu must be held.
func (all *subscriptions) list() {
	if all.n > mostFew {
		all.few.Store(nil)
		return
	}
	few := make([]*subscription, 0, all.n)
	for s := all.first; len(few) < all.n; s = s.next {
		few = append(few, s)
	}
	all.few.Store(&few)
}

func (all *subscriptions) count(sub *subscription, by int) {
	all.n += by
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
	subscriptionChanges.Add(1) // after the store: see life.subscribed
}

// put queues an event for those subscriptions of the supervisor at base that want it.
func (all *subscriptions) put(e *entry, base string) {
	kind := e.kind.set()
	if kinds(all.kinds.Load())&kind == 0 {
		return
	}
	if few := all.few.Load(); few != nil {
		for _, s := range *few { // one that was cancelled a moment ago takes nothing
			if s.wants(kind, base, e.path) {
				s.put(e)
			}
		}
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for s := all.first; s != nil; s = s.next {
		if s.wants(kind, base, e.path) {
			s.put(e)
		}
	}
}

// wants reports whether a subscription to the supervisor at base is for events of that kind
// and path.
func (s *subscription) wants(kind kinds, base, path string) bool {
	return s.kinds&kind != 0 && (s.at == "" || s.covers(base, path))
}

// busy returns the subscriptions that still have events to deliver and that the end of a
// tree waits for.
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

// A subscription is a subscriber and its queued events. A goroutine delivers them; it is
// started when there are some, and ends when there are none.
type subscription struct {
	f       func(Event)
	batches *batches // if it is not nil, in place of f
	kinds   kinds
	at      string // path of the part of the tree it is for; empty: all
	awaited bool   // the end of a tree waits for its delivery

	prev, next *subscription // in the list of its supervisor
	listed     bool          // it is in that list

	mu          sync.Mutex
	quiet, loud eventQueue
	texts       map[string]uint64 // number of the latest queued EventStatus of each path
	count, last uint64            // number of events so far; number of the last one delivered
	busy        bool              // the goroutine is running
	cancelled   bool
	idle        chan struct{} // closed when it has ended; nil if nothing waits for that
}

// put queues an event. It neither blocks nor runs user code.
func (s *subscription) put(e *entry) {
	s.mu.Lock() // without defer: see send
	if !s.cancelled && !(e.kind == EventStatus && s.putText(e)) {
		s.queue(e)
	}
	s.mu.Unlock()
}

// queue adds an event to the queue. s.mu must be held.
func (s *subscription) queue(e *entry) {
	s.count++
	e.order = s.count
	q := &s.quiet
	if e.kind.set()&loudKinds != 0 {
		q = &s.loud
	}
	q.push(e, s.popped)
	if e.kind == EventStatus {
		if s.texts == nil {
			s.texts = make(map[string]uint64)
		}
		s.texts[e.path] = e.order
	}
	if s.batches == nil || s.batches.await(s) {
		s.hurry()
	}
}

// hurry starts the delivering goroutine if there is work for it. s.mu must be held.
func (s *subscription) hurry() {
	if !s.busy && s.queued() > 0 {
		s.busy = true
		go s.deliver()
	}
}

// queued returns the number of queued events. s.mu must be held.
func (s *subscription) queued() int { return s.quiet.len() + s.loud.len() }

// putText replaces the text of an EventStatus that is queued for the same run. It reports
// false if there is none. The text of a later run must not come before its EventStarting.
func (s *subscription) putText(e *entry) bool {
	at, queued := s.texts[e.path]
	if !queued {
		return false
	}
	before := s.quiet.find(at)
	if before.run != e.run {
		return false
	}
	before.rest, before.flags = e.rest, e.flags // the text, and Ready
	return true
}

// popped notes that an event leaves the queue.
func (s *subscription) popped(e *entry) {
	if e.kind == EventStatus && s.texts[e.path] == e.order { // otherwise a later run has one
		delete(s.texts, e.path)
	}
}

// take returns the next event. If there is none it reports false, and the delivering
// goroutine must end.
func (s *subscription) take() (e Event, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancelled || s.queued() == 0 {
		s.ends()
		return e, false
	}
	q := oldest(&s.quiet, &s.loud)
	s.popped(q.front())
	q.front().event(&e)
	q.drop()
	e.Lost, s.last = e.order-s.last-1, e.order // events missing in between were dropped
	return e, true
}

// ends notes that the delivering goroutine is about to end. s.mu must be held.
func (s *subscription) ends() {
	s.busy = false
	if s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// deliver calls the subscriber until nothing is left to be delivered now.
func (s *subscription) deliver() {
	pprof.SetGoroutineLabels(context.Background()) // not those of the child that caused the event
	done := false
	defer func() {
		if !done {
			go s.deliver() // f called Goexit
		}
	}()
	for !done {
		done = !s.deliverNext()
	}
}

// deliverNext calls the subscriber. It reports false if it has nothing to deliver, and the
// delivering goroutine must end.
func (s *subscription) deliverNext() bool {
	if s.batches != nil {
		if !s.takeBatch() {
			return false
		}
		s.callBatch()
		return true
	}
	e, ok := s.take()
	if ok {
		s.call(e)
	}
	return ok
}

// call must not be inlined or renamed: delivering looks for it.
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

// delivering reports whether it is called from inside a subscriber, where waiting for a
// subscriber could mean waiting for oneself.
func delivering() bool {
	var calls [64]uintptr
	for skip := 2; ; skip += len(calls) {
		n := runtime.Callers(skip, calls[:])
		frames := runtime.CallersFrames(calls[:n])
		for {
			frame, more := frames.Next()
			if _, method, found := strings.Cut(frame.Function, "supervisor.(*subscription)."); found && (method == "call" || method == "callBatch") {
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

// drained returns a channel that is closed when no event is queued or being delivered. It
// makes a batch due.
func (s *subscription) drained() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hurry()
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

// waits reports whether an event is queued or being delivered.
func (s *subscription) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy || s.queued() > 0
}

func (s *subscription) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelled = true
	s.quiet, s.loud, s.texts = eventQueue{}, eventQueue{}, nil
	if s.batches != nil {
		s.batches.wake()
	}
}
