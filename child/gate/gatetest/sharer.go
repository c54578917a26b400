package gatetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

const someShards = 24

var someLayout = gate.Layout{Shards: someShards, Version: 1}

// A sharer is a member of a group. It renews its membership until it is stopped.
type sharer struct {
	gate.Membership
	t     testing.TB
	s     *Subject
	of    gate.Sharder
	group string
	halt  func() // ends the renewals
}

// sharder returns an elector that is a gate.Sharder.
func (s *Subject) sharder(t testing.TB, id string) gate.Sharder {
	t.Helper()
	of, ok := s.Member(id).(gate.Sharder)
	if !ok {
		t.Skipf("gatetest: the elector is no gate.Sharder")
	}
	return of
}

func (s *Subject) joins(t testing.TB, id, group string, l gate.Layout) *sharer {
	t.Helper()
	return s.join(t, s.sharder(t, id), group, l)
}

func (s *Subject) join(t testing.TB, of gate.Sharder, group string, l gate.Layout) *sharer {
	t.Helper()
	m, err := of.Join(s.brief(t), group, l)
	if err != nil {
		t.Fatalf("a member could not join: %v", err)
	}
	return s.joined(t, of, m, group)
}

// joined keeps a membership.
func (s *Subject) joined(t testing.TB, of gate.Sharder, m gate.Membership, group string) *sharer {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	halted := make(chan struct{})
	x := &sharer{Membership: m, t: t, s: s, of: of, group: group}
	x.halt = sync.OnceFunc(func() {
		cancel()
		<-halted
	})
	go func() {
		defer close(halted)
		for sleep(ctx, s.TTL/6) {
			_ = m.Renew(ctx)
		}
	}()
	t.Cleanup(func() {
		x.halt()
		_ = m.Release(s.brief(t))
	})
	return x
}

// claim claims shards, and returns those that it got, in order.
func (x *sharer) claim(shards ...int) (got []int, tokens map[int]int64) {
	x.t.Helper()
	leases, err := x.Claim(x.s.brief(x.t), shards)
	if err != nil {
		x.t.Fatalf("a claim failed: %v", err)
	}
	tokens = make(map[int]int64)
	for i, l := range leases {
		if l.Token() <= 0 {
			x.t.Fatalf("token %d of shard %d: it must be positive", l.Token(), i)
		}
		tokens[i] = l.Token()
		got = append(got, i)
	}
	slices.Sort(got)
	return got, tokens
}

// gets claims shards, and fails the test unless it gets just those.
func (x *sharer) gets(shards []int, want ...int) map[int]int64 {
	x.t.Helper()
	got, tokens := x.claim(shards...)
	if !slices.Equal(got, want) {
		x.t.Fatalf("a claim of the shards %v got %v; it must get %v", shards, got, want)
	}
	return tokens
}

func (x *sharer) cedes(tokens map[int]int64) {
	x.t.Helper()
	var claims []gate.ShardClaim
	for i, token := range tokens {
		claims = append(claims, gate.ShardClaim{Shard: i, Member: x.ID(), Token: token})
	}
	if err := x.Cede(x.s.brief(x.t), claims); err != nil {
		x.t.Fatalf("a cede failed: %v", err)
	}
}

func (x *sharer) leavesTheGroup() {
	x.t.Helper()
	x.halt()
	x.s.release(x.t, x)
}

// view returns what the group is now.
func (x *sharer) view() gate.GroupView {
	x.t.Helper()
	v, err := x.of.Watch(x.s.brief(x.t), x.group, 0)
	if err != nil {
		x.t.Fatalf("a look failed: %v", err)
	}
	return v
}

// sees waits for a view, which must come in that time, for a change that has been made, or
// is made meanwhile.
func (x *sharer) sees(what string, within time.Duration, fits func(gate.GroupView) bool) gate.GroupView {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.t.Context()), within)
	defer cancel()
	last := int64(0)
	for {
		v, err := x.of.Watch(ctx, x.group, last)
		switch {
		case err != nil:
			x.t.Fatalf("Watch did not show within %v that %s (%v)", within, what, err)
		case v.Revision <= last:
			x.t.Fatalf("Watch returned revision %d after %d", v.Revision, last)
		case fits(v):
			return v
		}
		last = v.Revision
	}
}

// memberIn returns the member in a view, or nil.
func memberIn(v gate.GroupView, id string) *gate.GroupMember {
	for i := range v.Members {
		if v.Members[i].ID == id {
			return &v.Members[i]
		}
	}
	return nil
}

// claimIn returns the claim of a shard in a view, or the zero value.
func claimIn(v gate.GroupView, shard int) (c gate.ShardClaim) {
	for _, c := range v.Claims {
		if c.Shard == shard {
			return c
		}
	}
	return c
}

func numbers(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// A joining is a Join under way.
type joining struct {
	won    chan gate.Membership
	of     gate.Sharder
	cancel context.CancelFunc
}

func (s *Subject) startJoin(t testing.TB, id, group string, l gate.Layout) *joining {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	j := &joining{won: make(chan gate.Membership, 1), of: s.sharder(t, id), cancel: cancel}
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		for ctx.Err() == nil {
			if m, err := j.of.Join(ctx, group, l); err == nil {
				j.won <- m
				return
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-returned
	})
	return j
}

// within returns the membership, if the Join succeeds in that time. It does so once.
func (j *joining) within(d time.Duration) gate.Membership { return receive(j.won, d) }
