package gatetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// Checks of members that take turns, while all works.

func freeLease(t testing.TB, s *Subject) {
	name := t.Name()
	l := acquire(t, s.Member("a"), name, s.HandOver)
	if l.Token() <= 0 {
		t.Fatalf("token %d: it must be positive", l.Token())
	}
	if ttl := l.Term().TTL; ttl <= 0 {
		t.Fatalf("the term is %v: it must be positive", ttl)
	}
	s.release(t, l)
}

func staysRenewed(t testing.TB, s *Subject) {
	name := t.Name()
	l := acquire(t, s.Member("a"), name, s.HandOver)
	token := l.Token()
	other := startBid(t, s.Member("b"), name)
	s.keep(t, l, 4*s.TTL)
	if other.within(0) != nil {
		t.Fatalf("another got a lease that was renewed in time")
	}
	if l.Token() != token {
		t.Fatalf("a renewal changed the token from %d to %d", token, l.Token())
	}
	select {
	case <-l.Lost():
		t.Fatalf("Lost was closed while the lease was held")
	default:
	}
	s.release(t, l)
	s.release(t, other.must(t, s.HandOver))
}

func otherNames(t testing.TB, s *Subject) {
	a := acquire(t, s.Member("a"), t.Name()+" 1", s.HandOver)
	b := acquire(t, s.Member("b"), t.Name()+" 2", s.HandOver)
	s.renew(t, a)
	s.release(t, b)
	s.renew(t, a)
	s.release(t, a)
}

func handsOver(t testing.TB, s *Subject) {
	name := t.Name()
	a, b := s.Member("a"), s.Member("b")
	last := acquire(t, a, name, s.HandOver)
	for range 10 {
		next := startBid(t, b, name)
		if next.within(s.TTL/4) != nil {
			t.Fatalf("another got the lease while it was held")
		}
		s.release(t, last)
		l := next.must(t, s.HandOver)
		grown(t, last, l)
		last, a, b = l, b, a
	}
	s.release(t, last)
}

// A ledger notes who holds a lease, and finds overlaps.
type ledger struct {
	mu     sync.Mutex
	holder string
	token  int64
	turns  map[string]int
	last   string // of a shard: the member that had it last
	fault  string
}

func (g *ledger) begin(id string, token int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.holder != "" && g.fault == "":
		g.fault = fmt.Sprintf("%s got the lease with token %d while %s held it with token %d", id, token, g.holder, g.token)
	case token <= g.token && g.fault == "":
		g.fault = fmt.Sprintf("token %d follows token %d: it must be higher", token, g.token)
	}
	g.holder, g.token = id, token
	g.turns[id]++
}

func (g *ledger) end(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holder == id {
		g.holder = ""
	}
}

func (g *ledger) wrong() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fault
}

// leaders returns how many turns each had.
func (g *ledger) leaders() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.turns)
}

func newLedger() *ledger { return &ledger{turns: make(map[string]int)} }

// takeTurns lets members acquire and release, until there were that many turns.
func takeTurns(t testing.TB, s *Subject, members, turns int, again bool) *ledger {
	name, g := t.Name(), newLedger()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Duration(turns+1)*(s.HandOver+s.TTL))
	defer cancel()
	left := make(chan struct{}, turns)
	for range turns {
		left <- struct{}{}
	}
	close(left)
	var all sync.WaitGroup
	errs := make([]error, members)
	for i := range members {
		id := fmt.Sprint("member ", i)
		e := s.Member(id)
		all.Go(func() {
			for range left {
				if errs[i] = s.turn(ctx, e, name, id, g); errs[i] != nil || !again || g.wrong() != "" {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%v", err)
	}
	if fault := g.wrong(); fault != "" {
		t.Fatalf("%s", fault)
	}
	return g
}

// turn acquires the lease and releases it.
func (s *Subject) turn(ctx context.Context, e gate.Elector, name, id string, g *ledger) error {
	l, err := e.Acquire(ctx, name)
	for err != nil { // on a busy machine, a request may fail
		if !sleep(ctx, s.TTL/10) {
			return fmt.Errorf("%s: Acquire: %w", id, err)
		}
		l, err = e.Acquire(ctx, name)
	}
	g.begin(id, l.Token())
	if l.Token()%5 == 0 {
		if err := l.Renew(ctx); err != nil {
			return fmt.Errorf("%s: Renew: %w", id, err)
		}
	}
	g.end(id)
	if err := l.Release(ctx); err != nil {
		return fmt.Errorf("%s: Release: %w", id, err)
	}
	return nil
}

func manyHandOvers(t testing.TB, s *Subject) { takeTurns(t, s, 3, s.HandOvers, true) }

func hundredContenders(t testing.TB, s *Subject) {
	g := takeTurns(t, s, 100, 100, false)
	if n := len(g.leaders()); n != 100 {
		t.Fatalf("%d of 100 contenders had a turn", n)
	}
}

func growsAfterIdle(t testing.TB, s *Subject) {
	name, e := t.Name(), s.Member("a")
	last := acquire(t, e, name, s.HandOver)
	for range 2 {
		s.release(t, last)
		sleep(context.Background(), 2*s.TTL)
		l := acquire(t, e, name, s.HandOver)
		grown(t, last, l)
		last = l
	}
	s.release(t, last)
}

func saysHolder(t testing.TB, s *Subject) {
	name, e := t.Name(), s.Member("a")
	ask := func() gate.Holder {
		h, err := s.Member("b").Holder(s.brief(t), name)
		if err != nil {
			t.Fatalf("Holder: %v", err)
		}
		return h
	}
	if h := ask(); h.ID != "" {
		t.Fatalf("before the first Acquire, Holder returned %+v", h)
	}
	l := acquire(t, e, name, s.HandOver)
	if h := ask(); h.ID == "" || h.Token != l.Token() {
		t.Fatalf("while the lease with token %d is held, Holder returned %+v", l.Token(), h)
	}
	s.release(t, l)
	if h := ask(); h.ID != "" {
		t.Fatalf("after the release, Holder returned %+v", h)
	}
}
