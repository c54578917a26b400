package gatetest

import (
	"context"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// Checks of requests about shards that are cancelled, slow, or not answered.

// shardRequests are the requests of a member. Join is another member's.
func (x *sharer) shardRequests() map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Join": func(ctx context.Context) error {
			_, err := x.of.Join(ctx, x.group, someLayout)
			return err
		},
		"Watch": func(ctx context.Context) error {
			_, err := x.of.Watch(ctx, x.group, 0)
			return err
		},
		"Claim": func(ctx context.Context) error {
			_, err := x.Claim(ctx, []int{1})
			return err
		},
		"Cede": func(ctx context.Context) error {
			return x.Cede(ctx, []gate.ShardClaim{{Shard: 1, Member: x.ID(), Token: 1}})
		},
		"Leave":   x.Leave,
		"Renew":   x.Renew,
		"Release": x.Release,
	}
}

func shardRequestsReturn(t testing.TB, s *Subject) {
	a := s.joins(t, "a", t.Name(), someLayout)
	a.halt()
	s.renew(t, a)
	s.Cut(a.of, true)
	for what, call := range a.shardRequests() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/20)
		returned := make(chan error, 1)
		go func() { returned <- call(ctx) }()
		select {
		case err := <-returned:
			if err == nil {
				t.Fatalf("%s returned nil without an answer", what)
			}
		case <-time.After(s.TTL):
			t.Fatalf("%s has not returned within %v of the end of its context", what, s.TTL)
		}
		cancel()
	}
	s.Cut(a.of, false)
}

// joinGivesUp is about a Join and a Watch that may wait for hours. An engine that does not
// answer must not look like a group that does not change.
func joinGivesUp(t testing.TB, s *Subject) {
	of := s.sharder(t, "a")
	v, err := of.Watch(s.brief(t), t.Name(), 0)
	if err != nil {
		t.Fatalf("a look failed: %v", err)
	}
	s.Cut(of, true)
	for what, call := range map[string]func(ctx context.Context) error{
		"Join": func(ctx context.Context) error {
			_, err := of.Join(ctx, t.Name(), someLayout)
			return err
		},
		"Watch": func(ctx context.Context) error {
			_, err := of.Watch(ctx, t.Name(), v.Revision)
			return err
		},
	} {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		returned := make(chan error, 1)
		go func() { returned <- call(ctx) }()
		select {
		case err = <-returned:
		case <-time.After(2 * s.TTL):
			t.Errorf("%s has waited for %v for an engine that does not answer", what, 2*s.TTL)
			cancel()
			err = <-returned
		}
		if cancel(); err == nil {
			t.Fatalf("%s returned nil without an answer", what)
		}
	}
	s.Cut(of, false)
}

func joinCountsFromSent(t testing.TB, s *Subject) {
	of := s.sharder(t, "a")
	late := s.TTL / 100 // an engine may make several requests one after the other
	check := func(what string, l gate.Lease) {
		t.Helper()
		if ago := time.Since(l.Term().Sent.Time()); ago < late-late/10 {
			t.Fatalf("the term of %s counts from %v ago, but the answer took %v: the engine may count from when the request was sent", what, ago, late)
		}
	}
	s.Slow(of, late)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*s.TTL)
	defer cancel()
	m, err := of.Join(ctx, t.Name(), someLayout)
	if err != nil {
		t.Fatalf("a member could not join: %v", err)
	}
	check("a Join that is answered late", m)
	s.renew(t, m)
	check("a renewal that is answered late", m)
	s.Slow(of, 0)
	s.release(t, m)
}

// lostJoin leaves no member, or one that ends with its term.
func lostJoin(t testing.TB, s *Subject) {
	of := s.sharder(t, "a")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/4)
	defer cancel()
	s.LoseReply(of)
	if m, err := of.Join(ctx, t.Name(), someLayout); err == nil {
		s.release(t, m)
	}
	other := gate.Layout{Shards: 7, Version: 7}
	j := s.startJoin(t, "b", t.Name(), other)
	m := j.within(3 * s.TTL)
	if m == nil {
		t.Fatalf("a Join whose answer was lost has left a member that does not end")
	}
	s.release(t, m)
}
