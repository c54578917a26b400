package supervisor

import (
	"context"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
)

// SubscribeBatches is Subscribe for a subscriber that does not need each event at once: f
// receives several events in one call. That costs supervision less, because no goroutine
// is woken for each event. Use it to count or to store events.
//
// Each call of f receives all events that are queued, in order. f is called at the latest
// when the first of them has waited for delay. It is called sooner when one of the two
// parts of the queue is half full, so that a delay loses no events, when flush is called,
// and when Serve, Stop or Wait is about to return. While f runs, events wait until it
// returns. If delay is zero or negative, f is called as soon as there is an event. The
// slice is never empty. It is valid until f returns: f must copy what it keeps.
//
// flush delivers what is queued and returns nil when f has received all events that were
// published before the call, and returned. If ctx ends first, flush returns the error of
// ctx. A nil ctx never ends. It returns nil too when the subscription is cancelled. Called
// from f, or from any other subscriber or log handler of this package, flush does not wait.
// It may be called from any goroutine. Call it before you read what f has stored.
//
// Everything else is as for Subscribe: the kinds, the queue, Lost, panics, cancel, and
// that Serve, Stop and Wait return when f has received the last events, or after one
// second. If f is nil, SubscribeBatches does nothing.
func (s *Supervisor) SubscribeBatches(delay time.Duration, f func([]Event), only ...EventKind) (flush func(ctx context.Context) error, cancel func()) {
	if f == nil {
		return func(context.Context) error { return nil }, func() {}
	}
	sub := newSubscription(nil, only)
	sub.awaited = true
	sub.batches = &batches{f: f, delay: delay}
	s.subs.add(sub)
	return sub.flush, func() { s.unsubscribe(sub) }
}

// batches is what a subscription has whose subscriber receives several events at once.
//
// The timer is never stopped, because only a goroutine of its synctest bubble could do so.
// When it fires too soon, the batch is only smaller.
type batches struct {
	f     func([]Event)
	delay time.Duration

	// Guarded by subscription.mu.
	timer    bool          // the timer is running
	overdue  bool          // it has fired, and the events are still queued
	received uint64        // number of the last event that f has received
	advanced chan struct{} // closed by wake; nil if nothing waits

	// Used by the delivering goroutine alone.
	quiet, loud eventQueue // the queues that were taken
	taken       []Event    // the batch; nil from the call of f on
	filled      int        // number of its events that are filled
	room        []Event    // the latest batch, to be used again
}

// await makes sure that what is queued is delivered in time. It reports whether that is
// now. The lock of s must be held.
func (b *batches) await(s *subscription) (now bool) {
	if b.due(s) {
		return true
	}
	if !b.timer {
		b.timer = true
		time.AfterFunc(b.delay, s.timeout)
	}
	return false
}

// due reports whether what is queued must be delivered now. Once true, that stays so until
// it is taken. The lock of s must be held.
func (b *batches) due(s *subscription) bool {
	return b.delay <= 0 || b.overdue || s.quiet.len() >= halfQueued || s.loud.len() >= halfQueued || s.idle != nil || b.advanced != nil
}

// wake wakes the calls of flush that wait. The lock of the subscription must be held.
func (b *batches) wake() {
	if b.advanced != nil {
		close(b.advanced)
		b.advanced = nil
	}
}

// timeout delivers what is queued. It runs on the goroutine of the timer.
func (s *subscription) timeout() {
	if s.timedOut() {
		s.deliver()
	}
}

// timedOut reports whether the caller must deliver.
func (s *subscription) timedOut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batches
	b.timer, b.overdue = false, s.queued() > 0
	if s.busy || !b.overdue {
		return false
	}
	s.busy = true
	return true
}

// takeBatch takes what is queued. If there is nothing that must be delivered now, it
// reports false, and the delivering goroutine must end.
func (s *subscription) takeBatch() bool {
	b := s.batches
	if b.taken != nil { // a Goexit has interrupted callBatch
		return true
	}
	clear(b.room)
	b.room = b.room[:0]
	if !s.swap() {
		return false
	}
	for n := b.quiet.len() + b.loud.len(); n > 0; n-- {
		q := oldest(&b.quiet, &b.loud)
		b.room = append(b.room, Event{})
		e := &b.room[len(b.room)-1]
		q.front().event(e)
		e.Lost, s.last = e.order-s.last-1, e.order // events missing in between were dropped
		q.drop()
	}
	b.taken, b.filled = b.room, 0
	return true
}

// swap exchanges the queues for empty ones, so that nothing is copied under the lock.
func (s *subscription) swap() (taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.batches
	due := b.due(s)
	b.received = s.last
	b.wake()
	if s.cancelled || s.queued() == 0 || !due {
		s.ends()
		return false
	}
	s.quiet, b.quiet = b.quiet, s.quiet
	s.loud, b.loud = b.loud, s.loud
	clear(s.texts)
	b.overdue = false
	return true
}

// callBatch must not be inlined or renamed: delivering looks for it.
//
//go:noinline
func (s *subscription) callBatch() {
	b := s.batches
	defer func() {
		if v := recover(); v != nil {
			defer func() { _ = recover() }() // the default logger may be what is broken
			slog.Error("coppice: an event subscriber panicked", "err", child.Recovered(v), "events", len(b.room))
		}
	}()
	for b.filled < len(b.taken) {
		b.filled++
		b.taken[b.filled-1].fill() // may call Goexit: then it goes on with the next one
	}
	events := b.taken
	b.taken = nil
	b.f(events)
}

// flush returns when f has received what is queued.
func (s *subscription) flush(ctx context.Context) error {
	if ctx == nil {
		ctx = context.Background()
	}
	wait := !delivering()
	s.mu.Lock()
	defer s.mu.Unlock()
	for b, last := s.batches, s.count; b.received < last && !s.cancelled; {
		if b.advanced == nil {
			b.advanced = make(chan struct{})
		}
		s.hurry()
		if !wait {
			return nil
		}
		advanced := b.advanced
		s.mu.Unlock()
		var err error
		select {
		case <-advanced:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.mu.Lock()
		if err != nil && b.received < last && !s.cancelled {
			return err
		}
	}
	return nil
}
