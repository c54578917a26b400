package gatetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// Checks of requests that are cancelled, slow, or not answered, and of terms and clocks.

func cancelledAcquire(t testing.TB, s *Subject) {
	name, a, b := t.Name(), s.Member("a"), s.Member("b")
	latency := s.TTL / 1000
	if s.Slow != nil {
		s.Slow(a, latency)
	}
	for i := range 50 {
		var holder gate.Lease
		if i%2 == 1 {
			holder = acquire(t, b, name, s.HandOver)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		won := make(chan gate.Lease, 1)
		go func() {
			l, err := a.Acquire(ctx, name)
			if err == nil && l == nil {
				t.Error("Acquire returned no lease and no error")
			}
			won <- l
		}()
		sleep(context.Background(), latency*time.Duration(i)/16)
		cancel()
		select {
		case l := <-won:
			if l != nil { // at the last moment
				s.release(t, l)
			}
		case <-time.After(s.TTL):
			t.Fatalf("Acquire has not returned within %v of the end of its context", s.TTL)
		}
		if holder != nil {
			s.release(t, holder)
		}
		l := startBid(t, b, name).within(s.HandOver)
		if l == nil {
			t.Fatalf("an Acquire that was cancelled has left a lease behind")
		}
		s.release(t, l)
	}
}

// givesUp is about a bid that may wait for hours. An engine that does not answer must not
// look like a lease that is not free.
func givesUp(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	s.Cut(a, true)
	b := startBid(t, a, name)
	select {
	case <-b.won:
		if b.err == nil {
			t.Fatalf("Acquire returned a lease without an answer")
		}
	case <-time.After(2 * s.TTL):
		t.Fatalf("Acquire has waited for %v for an engine that does not answer", 2*s.TTL)
	}
	s.Cut(a, false)
	s.release(t, acquire(t, a, name, s.TTL+s.HandOver))
}

// unanswered makes a request whose answer is lost.
func (s *Subject) unanswered(t testing.TB, e gate.Elector, call func(context.Context) error) error {
	t.Helper()
	s.LoseReply(e)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/4)
	defer cancel()
	return call(ctx)
}

func lostAcquire(t testing.TB, s *Subject) {
	name, a, b := t.Name(), s.Member("a"), s.Member("b")
	for range 3 {
		var l gate.Lease
		err := s.unanswered(t, a, func(ctx context.Context) (err error) {
			l, err = a.Acquire(ctx, name)
			return err
		})
		if err == nil {
			s.release(t, l)
		}
		next := acquire(t, b, name, 2*s.TTL+s.HandOver)
		if l != nil {
			grown(t, l, next)
		}
		s.release(t, next)
		s.release(t, acquire(t, a, name, s.HandOver))
	}
}

func lostRenewal(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	l := acquire(t, a, name, s.HandOver)
	other := startBid(t, s.Member("b"), name)
	for range 5 {
		if err := s.unanswered(t, a, l.Renew); err == nil || errors.Is(err, gate.ErrLost) {
			t.Fatalf("a renewal whose answer was lost returned %v: it is not known whether it has succeeded", err)
		}
		s.renew(t, l)
	}
	if other.within(0) != nil {
		t.Fatalf("another got a lease that was renewed in time")
	}
	s.release(t, l)
	s.release(t, other.must(t, s.HandOver))
}

func lostRelease(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	l := acquire(t, a, name, s.HandOver)
	next := startBid(t, s.Member("b"), name)
	if err := s.unanswered(t, a, l.Release); err == nil {
		t.Fatalf("a release whose answer was lost returned nil")
	}
	got := next.must(t, s.HandOver)
	_ = l.Release(s.brief(t))
	s.renew(t, got)
	s.mustBeLost(t, l)
	s.release(t, got)
}

func countsFromSent(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	late := s.TTL / 10 // an engine may give up after a quarter
	check := func(what string, called time.Time, l gate.Lease) {
		t.Helper()
		sent := l.Term().Sent.Time()
		if ago := time.Since(sent); ago < late-late/10 {
			t.Fatalf("the term of %s counts from %v ago, but the answer took %v: the engine may count from when the request was sent", what, ago, late)
		}
		if sent.Before(called.Add(-late / 5)) {
			t.Fatalf("the term of %s counts from %v before it was called", what, called.Sub(sent))
		}
	}
	s.Slow(a, late)
	called := time.Now()
	l := acquire(t, a, name, 2*s.TTL)
	check("an Acquire that is answered late", called, l)
	called = time.Now()
	s.renew(t, l)
	check("a renewal that is answered late", called, l)
	s.release(t, l)
}

func grantedTerm(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	for _, granted := range []time.Duration{s.TTL / 2, 2 * s.TTL} {
		l := acquire(t, a, name, s.HandOver)
		s.Grant(granted)
		s.renew(t, l)
		if got := l.Term().TTL; got != granted {
			t.Fatalf("the engine granted %v to a renewal, and the term is %v", granted, got)
		}
		next := s.takenOver(t, l, name)
		if got := next.Term().TTL; got != granted {
			t.Fatalf("the engine granted %v to an Acquire, and the term is %v", granted, got)
		}
		s.Grant(0)
		s.release(t, next)
	}
}

func memberClocks(t testing.TB, s *Subject) {
	name, a, b := t.Name(), s.Member("a"), s.Member("b")
	l := acquire(t, a, name, s.HandOver)
	other := startBid(t, b, name)
	for _, step := range []time.Duration{time.Hour, -2 * time.Hour, 3 * s.TTL} {
		s.StepMember(b, step)
		s.keep(t, l, s.TTL)
		s.StepMember(a, -step)
		s.keep(t, l, s.TTL)
		if other.within(0) != nil {
			t.Fatalf("another got a lease that was renewed in time, after a clock was set by %v", step)
		}
	}
	s.release(t, l)
	s.release(t, other.must(t, s.HandOver))
}

func engineClock(t testing.TB, s *Subject) {
	name, a, b := t.Name(), s.Member("a"), s.Member("b")
	l := acquire(t, a, name, s.HandOver)
	other := startBid(t, b, name)
	s.StepEngine(-s.TTL / 2)
	s.keep(t, l, 2*s.TTL)
	if other.within(0) != nil {
		t.Fatalf("another got a lease that was renewed in time, after the clock of the engine was set back")
	}
	s.StepEngine(10 * s.TTL)
	next := other.must(t, s.TTL+s.HandOver) // too early, which only tokens cover
	grown(t, l, next)
	s.mustBeLost(t, l)
	s.renew(t, next)
	s.release(t, next)
}
