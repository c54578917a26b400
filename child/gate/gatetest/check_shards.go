package gatetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// Checks of an engine that is a gate.Sharder. Others skip them.

func shardHasOne(t testing.TB, s *Subject) {
	a, b := s.joins(t, "a", t.Name(), someLayout), s.joins(t, "b", t.Name(), someLayout)
	tokens := a.gets(numbers(0, 10), numbers(0, 10)...)
	b.gets(numbers(5, 15), numbers(10, 15)...)
	a.gets(numbers(0, 5)) // it has them already
	a.gets([]int{-1, someShards, 1 << 20})
	v := b.view()
	if v.Layout != someLayout || len(v.Members) != 2 || len(v.Claims) != 15 {
		t.Fatalf("the group is %+v", v)
	}
	for i, token := range tokens {
		if c := claimIn(v, i); c.Member != a.ID() || c.Token != token {
			t.Fatalf("shard %d is claimed by %q with token %d, not by %q with token %d", i, c.Member, c.Token, a.ID(), token)
		}
		if token > v.Revision {
			t.Fatalf("token %d is higher than the revision %d that shows it", token, v.Revision)
		}
	}
	if m := memberIn(v, a.ID()); m == nil || m.Name != "a" || m.Leaving {
		t.Fatalf("the member is %+v", m)
	}
}

// joinAtOnce is about the first members of a group, which exists from then on.
func joinAtOnce(t testing.TB, s *Subject) {
	of := make([]gate.Sharder, 8)
	for i := range of {
		of[i] = s.sharder(t, fmt.Sprint("member-", i))
	}
	for round := range 5 {
		group := fmt.Sprint(t.Name(), " ", round)
		joined, failed := make(chan gate.Membership, len(of)), make(chan error, len(of))
		for i := range of {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL)
			go func() {
				defer cancel()
				m, err := of[i].Join(ctx, group, someLayout)
				if err == nil {
					_, err = m.Claim(ctx, []int{i})
				}
				if err != nil {
					failed <- err
					return
				}
				joined <- m
			}()
		}
		var all []gate.Membership
		for range of {
			select {
			case err := <-failed:
				t.Fatalf("one of several members that join at the same time could not join and claim a shard: %v", err)
			case m := <-joined:
				all = append(all, m)
			}
		}
		for _, m := range all {
			s.renew(t, m)
		}
		v, err := of[0].Watch(s.brief(t), group, 0)
		if err != nil || len(v.Members) != len(of) || len(v.Claims) != len(of) {
			t.Fatalf("%d members have joined at the same time and claimed a shard each; the group is %+v (error: %v)", len(of), v, err)
		}
		for _, m := range all {
			s.release(t, m)
		}
	}
}

func manyShards(t testing.TB, s *Subject) {
	a := s.joins(t, "a", t.Name(), gate.Layout{Shards: 300})
	all := numbers(0, 300)
	tokens := a.gets(all, all...)
	if v := a.view(); len(v.Claims) != 300 {
		t.Fatalf("%d shards are claimed, not 300", len(v.Claims))
	}
	a.cedes(tokens)
	if v := a.view(); len(v.Claims) != 0 {
		t.Fatalf("%d shards are claimed after all were ceded", len(v.Claims))
	}
	a.gets(all, all...)
}

func shardIsCeded(t testing.TB, s *Subject) {
	a, b := s.joins(t, "a", t.Name(), someLayout), s.joins(t, "b", t.Name(), someLayout)
	tokens := a.gets([]int{3, 4}, 3, 4)
	for range 10 {
		last := tokens[3]
		b.gets([]int{3})
		a.cedes(map[int]int64{3: last})
		tokens = b.gets([]int{3, 4}, 3)
		if tokens[3] <= last {
			t.Fatalf("token %d follows token %d: it must be higher", tokens[3], last)
		}
		// A request of the past that arrives late must not free what another has now.
		a.cedes(map[int]int64{3: last})
		a.gets([]int{3})
		b.cedes(tokens)
		last = tokens[3]
		if tokens = a.gets([]int{3}, 3); tokens[3] <= last {
			t.Fatalf("token %d follows token %d of the same member: it must be higher", tokens[3], last)
		}
		a.cedes(map[int]int64{3: last}) // also if the member has it again
		b.gets([]int{3})
	}
}

func leavingFreesAll(t testing.TB, s *Subject) {
	a, b := s.joins(t, "a", t.Name(), someLayout), s.joins(t, "b", t.Name(), someLayout)
	before := a.gets(numbers(0, 10), numbers(0, 10)...)
	a.leavesTheGroup()
	after := b.gets(numbers(0, 10), numbers(0, 10)...)
	for i := range after {
		if after[i] <= before[i] {
			t.Fatalf("token %d of shard %d follows token %d: it must be higher", after[i], i, before[i])
		}
	}
	if err := a.Renew(s.brief(t)); !errors.Is(err, gate.ErrLost) {
		t.Fatalf("a membership that has ended was renewed (error: %v)", err)
	}
	b.leavesTheGroup()
	c := s.joins(t, "c", t.Name(), someLayout)
	if last := c.gets([]int{0}, 0); last[0] <= after[0] {
		t.Fatalf("token %d follows token %d after a time without members: it must be higher", last[0], after[0])
	}
}

func watchShows(t testing.TB, s *Subject) {
	a := s.joins(t, "a", t.Name(), someLayout)
	b := s.joins(t, "b", t.Name(), someLayout)
	a.sees("another has joined", s.HandOver, func(v gate.GroupView) bool { return memberIn(v, b.ID()) != nil })
	tokens := b.gets([]int{7}, 7)
	a.sees("a shard was claimed", s.HandOver, func(v gate.GroupView) bool { return claimIn(v, 7).Member == b.ID() })
	b.cedes(tokens)
	a.sees("a shard was ceded", s.HandOver, func(v gate.GroupView) bool { return len(v.Claims) == 0 })
	if err := b.Leave(s.brief(t)); err != nil {
		t.Fatalf("Leave failed: %v", err)
	}
	v := a.sees("a member takes no more shards", s.HandOver, func(v gate.GroupView) bool {
		m := memberIn(v, b.ID())
		return m != nil && m.Leaving
	})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/2)
	defer cancel()
	if v, err := a.of.Watch(ctx, a.group, v.Revision); err == nil {
		t.Fatalf("Watch returned although nothing has changed: %+v", v)
	}
	b.leavesTheGroup()
	a.sees("a member has left", s.HandOver, func(v gate.GroupView) bool { return len(v.Members) == 1 })
}

func memberPauses(t testing.TB, s *Subject) {
	a, b := s.joins(t, "a", t.Name(), someLayout), s.joins(t, "b", t.Name(), someLayout)
	before := a.gets(numbers(0, 10), numbers(0, 10)...)
	a.halt()
	s.renew(t, a)
	term, began := a.Term(), time.Now()
	for time.Since(began) < term.TTL*9/10 {
		if got, _ := b.claim(numbers(0, 10)...); len(got) > 0 && time.Since(began) < term.TTL {
			t.Fatalf("another got the shards %v %v after a renewal, although the term is %v", got, time.Since(began), term.TTL)
		}
		sleep(context.Background(), s.TTL/10)
	}
	b.sees("the term of a member has passed", 2*s.TTL, func(v gate.GroupView) bool { return len(v.Members) == 1 && len(v.Claims) == 0 })
	if err := a.Renew(s.brief(t)); !errors.Is(err, gate.ErrLost) {
		t.Fatalf("a membership whose term has passed was renewed (error: %v)", err)
	}
	if got, err := a.Claim(s.brief(t), []int{20}); !errors.Is(err, gate.ErrLost) {
		t.Fatalf("a membership whose term has passed got %v (error: %v)", got, err)
	}
	after := b.gets(numbers(0, 10), numbers(0, 10)...)
	a.cedes(before) // late
	if v := b.view(); len(v.Claims) != 10 {
		t.Fatalf("a late request of a member that has ended freed shards: %v", v.Claims)
	}
	s.release(t, a) // late
	if v := b.view(); len(v.Claims) != 10 || len(v.Members) != 1 {
		t.Fatalf("a late release of a member that has ended changed the group: %+v", v)
	}
	if after[0] <= before[0] {
		t.Fatalf("token %d follows token %d: it must be higher", after[0], before[0])
	}
}

func otherLayoutsWait(t testing.TB, s *Subject) {
	group := t.Name()
	a := s.joins(t, "a", group, someLayout)
	before := a.gets(numbers(0, 10), numbers(0, 10)...)
	b := s.startJoin(t, "b", group, gate.Layout{Shards: 2 * someShards, Version: 1})
	c := s.startJoin(t, "c", group, gate.Layout{Shards: someShards, Version: 2})
	if b.within(s.TTL/4) != nil || c.within(s.TTL/4) != nil {
		t.Fatalf("members with different layouts were in a group together")
	}
	c.cancel()
	d := s.joins(t, "d", group, someLayout) // its layout is that of the group
	a.leavesTheGroup()
	if b.within(s.TTL/4) != nil {
		t.Fatalf("a member with another layout joined before the last one had gone")
	}
	d.halt() // it ends with its term
	m := b.within(3 * s.TTL)
	if m == nil {
		t.Fatalf("a member with another layout did not join although the others have gone")
	}
	x := s.joined(t, b.of, m, group)
	after := x.gets([]int{0, 2*someShards - 1}, 0, 2*someShards-1)
	if after[0] <= before[0] {
		t.Fatalf("token %d follows token %d of another layout: it must be higher", after[0], before[0])
	}
	if v := x.view(); v.Layout.Shards != 2*someShards {
		t.Fatalf("the layout is %+v", v.Layout)
	}
}

func lostClaim(t testing.TB, s *Subject) {
	a, b := s.joins(t, "a", t.Name(), someLayout), s.joins(t, "b", t.Name(), someLayout)
	a.halt() // its renewals would be lost, too
	s.renew(t, a)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL/6)
	defer cancel()
	s.LoseReply(a.of)
	if _, err := a.Claim(ctx, []int{5}); err == nil {
		t.Fatalf("a claim whose answer was lost has succeeded")
	}
	v := b.view()
	if c := claimIn(v, 5); c.Member == a.ID() {
		a.cedes(map[int]int64{5: c.Token})
	}
	b.gets([]int{5}, 5)
}

// A shardLedger has a ledger for each shard.
type shardLedger struct{ of [someShards]*ledger }

func contendersForShards(t testing.TB, s *Subject) {
	var g shardLedger
	for i := range g.of {
		g.of[i] = newLedger()
	}
	var all sync.WaitGroup
	fault := make(chan string, 100)
	for nr := range 6 {
		id := fmt.Sprint("member-", nr)
		x := s.joins(t, id, t.Name(), someLayout)
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(nr), 0))
			for range s.HandOvers / 50 {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL)
				leases, err := x.Claim(ctx, random.Perm(someShards)[:6])
				cancel()
				if err != nil {
					fault <- fmt.Sprintf("a claim failed: %v", err)
					return
				}
				var claims []gate.ShardClaim
				for i, l := range leases {
					g.of[i].begin(id, l.Token())
					claims = append(claims, gate.ShardClaim{Shard: i, Member: x.ID(), Token: l.Token()})
				}
				sleep(context.Background(), time.Duration(random.IntN(3))*time.Millisecond)
				for i := range leases {
					g.of[i].end(id)
				}
				ctx, cancel = context.WithTimeout(context.WithoutCancel(t.Context()), s.TTL)
				err = x.Cede(ctx, claims)
				cancel()
				if err != nil {
					fault <- fmt.Sprintf("a cede failed: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case wrong := <-fault:
		t.Fatalf("%s", wrong)
	default:
	}
	turns := 0
	for i, l := range g.of {
		if wrong := l.wrong(); wrong != "" {
			t.Fatalf("shard %d: %s", i, wrong)
		}
		turns += len(l.leaders())
	}
	if turns < someShards {
		t.Fatalf("only %d turns were taken", turns)
	}
}
