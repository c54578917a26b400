package gatetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// Checks of leases that are lost.

// mustBeLost fails the test unless a renewal says that the lease is lost.
func (s *Subject) mustBeLost(t testing.TB, l gate.Lease) {
	t.Helper()
	if err := l.Renew(s.brief(t)); !errors.Is(err, gate.ErrLost) {
		t.Fatalf("a renewal of a lease that was lost returned %v: it must wrap gate.ErrLost", err)
	}
}

// takenOver lets a term pass without a renewal, and returns the lease of another member,
// which must not have it before the term has ended.
func (s *Subject) takenOver(t testing.TB, l gate.Lease, name string) gate.Lease {
	t.Helper()
	term := l.Term()
	next := acquire(t, s.Member("successor"), name, 3*term.TTL+s.HandOver)
	if end := term.Sent.Time().Add(term.TTL); time.Now().Before(end) {
		t.Fatalf("another got the lease %v before its term ended", time.Until(end))
	}
	grown(t, l, next)
	return next
}

func pausedHolder(t testing.TB, s *Subject) {
	name := t.Name()
	l := acquire(t, s.Member("a"), name, s.HandOver)
	s.renew(t, l)
	next := s.takenOver(t, l, name)
	s.mustBeLost(t, l)
	s.renew(t, next)
	s.mustBeLost(t, l)
	s.release(t, next)
	s.mustBeLost(t, l)
}

func lateRelease(t testing.TB, s *Subject) {
	name := t.Name()
	l := acquire(t, s.Member("a"), name, s.HandOver)
	next := s.takenOver(t, l, name)
	for range 2 {
		_ = l.Release(s.brief(t)) // it may say that the lease was lost
	}
	other := startBid(t, s.Member("c"), name)
	s.keep(t, next, s.TTL)
	if other.within(0) != nil {
		t.Fatalf("a late release has released the lease of another")
	}
	s.release(t, next)
	s.release(t, other.must(t, s.HandOver))
}

func renewReleased(t testing.TB, s *Subject) {
	name := t.Name()
	l := acquire(t, s.Member("a"), name, s.HandOver)
	s.release(t, l)
	s.mustBeLost(t, l)
	next := acquire(t, s.Member("b"), name, s.HandOver)
	s.mustBeLost(t, l)
	_ = l.Release(s.brief(t))
	s.renew(t, next)
	s.release(t, next)
}

func cutHolder(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	l := acquire(t, a, name, s.HandOver)
	s.renew(t, l)
	term := l.Term()
	s.Cut(a, true)
	next := startBid(t, s.Member("b"), name)
	var after gate.Lease
	for end := term.Sent.Time().Add(term.TTL); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/6)
		if err := l.Renew(ctx); err == nil {
			t.Fatalf("a renewal that was not answered returned nil")
		}
		<-ctx.Done()
		cancel()
		if after = next.within(0); after != nil {
			break
		}
	}
	if left := time.Until(term.Sent.Time().Add(term.TTL)); after != nil && left > 0 {
		t.Fatalf("another got the lease %v before its term ended", left)
	}
	if got := l.Term(); got != term {
		t.Fatalf("a renewal that was not answered changed the term")
	}
	if after == nil {
		after = next.must(t, 2*s.TTL+s.HandOver)
	}
	grown(t, l, after)
	s.Cut(a, false)
	s.mustBeLost(t, l)
	s.release(t, after)
}

func cutStandby(t testing.TB, s *Subject) {
	name, b := t.Name(), s.Member("b")
	l := acquire(t, s.Member("a"), name, s.HandOver)
	s.Cut(b, true)
	other := startBid(t, b, name)
	s.keep(t, l, 3*s.TTL)
	s.release(t, l)
	if other.within(s.HandOver) != nil {
		t.Fatalf("a member that was cut off got the lease")
	}
	s.Cut(b, false)
	if other.failure() != nil { // it may have given up
		other = startBid(t, b, name)
	}
	s.release(t, other.must(t, s.TTL+s.HandOver))
}

func returnsSoon(t testing.TB, s *Subject) {
	name, a := t.Name(), s.Member("a")
	l := acquire(t, a, name, s.HandOver)
	s.Cut(a, true)
	for what, call := range map[string]func(context.Context) error{
		"Acquire": func(ctx context.Context) error { _, err := a.Acquire(ctx, name+" other"); return err },
		"Renew":   l.Renew,
		"Holder":  func(ctx context.Context) error { _, err := a.Holder(ctx, name); return err },
		"Release": l.Release,
	} {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/10)
		done := make(chan error, 1)
		go func() { done <- call(ctx) }()
		timer := time.NewTimer(s.TTL)
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s returned nil without an answer", what)
			}
		case <-timer.C:
			t.Errorf("%s has not returned within %v of the end of its context", what, s.TTL-s.TTL/10)
			s.Cut(a, false)
			<-done
			s.Cut(a, true)
		}
		timer.Stop()
		cancel()
	}
	s.Cut(a, false)
}

func engineAway(t testing.TB, s *Subject) {
	name, a, b := t.Name(), s.Member("a"), s.Member("b")
	l := acquire(t, a, name, s.HandOver)
	s.renew(t, l)
	s.Away(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/4)
	if err := l.Renew(ctx); err == nil {
		t.Fatalf("a renewal returned nil while the engine was away")
	}
	cancel()
	for end := time.Now().Add(2 * s.TTL); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/4)
		if _, err := b.Acquire(ctx, name); err == nil {
			t.Fatalf("an engine that was away gave a lease")
		}
		<-ctx.Done()
		cancel()
	}
	s.Away(false)
	first, second := startBid(t, a, name), startBid(t, b, name)
	var won gate.Lease
	select {
	case won = <-first.won:
		first = second
	case won = <-second.won:
	case <-time.After(3*s.TTL + s.HandOver):
	}
	if won == nil {
		t.Fatalf("nobody got the lease when the engine was back (errors: %v, %v)", first.failure(), second.failure())
	}
	grown(t, l, won)
	s.keep(t, won, s.TTL)
	if first.within(0) != nil {
		t.Fatalf("two members got the lease when the engine was back")
	}
	s.mustBeLost(t, l)
	s.release(t, won)
	s.release(t, first.must(t, s.HandOver))
}

func deletedLease(t testing.TB, s *Subject) {
	name := t.Name()
	last := acquire(t, s.Member("a"), name, s.HandOver)
	for i := range 5 {
		if i%2 == 1 {
			s.release(t, last)
		}
		s.Delete(name)
		next := acquire(t, s.Member("b"), name, s.HandOver)
		grown(t, last, next)
		s.mustBeLost(t, last)
		_ = last.Release(s.brief(t))
		s.renew(t, next)
		last = next
	}
	s.Delete(name)
	s.mustBeLost(t, last)
}
