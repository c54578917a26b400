package gatetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/supervisor"
)

// A shardProcess is a member with shards, under a root of its own.
type shardProcess struct {
	id     string
	of     gate.Sharder
	shards *gate.Shards
	root   *supervisor.Supervisor
	ledger *shardLedger
	fail   [someShards]atomic.Bool
}

func startShardProcess(t testing.TB, s *Subject, id, name string, g *shardLedger, late *atomic.Pointer[error]) *shardProcess {
	p := &shardProcess{id: id, of: s.sharder(t, id), ledger: g}
	p.shards = gate.NewShards(gate.ShardsSpec{
		Name:           name,
		N:              someShards,
		Elector:        p.of,
		Run:            p.run,
		Backoff:        child.Constant(s.TTL / 50),
		MovesPerMinute: 10_000,
		HoldDown:       s.TTL / 4,
		Late:           func(err error) { late.Store(&err) },
	})
	p.root = s.startRoot(t, id, child.Spec{Name: "shards", Run: p.shards.Run})
	return p
}

// run takes a little time to stop.
func (p *shardProcess) run(shard int) func(child.Context) error {
	return func(ctx child.Context) error {
		token, ok := gate.Token(ctx)
		if !ok {
			return gate.ErrNoLease
		}
		p.ledger.begins(shard, p.id, token)
		defer p.ledger.of[shard].end(p.id)
		if err := ctx.Ready(); err != nil {
			return err
		}
		for !p.fail[shard].CompareAndSwap(true, false) {
			if !sleep(ctx, p.of.TTL()/20) {
				sleep(ctx.Grace(), p.of.TTL()/20)
				return nil
			}
		}
		return errStorm
	}
}

// begins is begin, but a member may run a shard again with the same token.
func (g *shardLedger) begins(shard int, id string, token int64) {
	l := g.of[shard]
	l.mu.Lock()
	if l.holder == "" && l.token == token && l.last == id {
		l.token--
	}
	l.last = id
	l.mu.Unlock()
	l.begin(id, token)
}

// shardsInAStorm cuts off members, restarts them, lets shards fail and replies be lost, and
// stops the engine, at random.
func shardsInAStorm(t testing.TB, s *Subject) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var late atomic.Pointer[error]
	g := new(shardLedger)
	for i := range g.of {
		g.of[i] = newLedger()
	}
	var all []*shardProcess
	for i := range 4 {
		all = append(all, startShardProcess(t, s, fmt.Sprint("process-", i), t.Name(), g, &late))
	}
	s.storm(random, 30, func() {
		p := all[random.IntN(len(all))]
		switch random.IntN(7) {
		case 0:
			s.Cut(p.of, true)
		case 1, 2:
			s.Cut(p.of, false)
		case 3:
			for range 5 {
				p.fail[random.IntN(someShards)].Store(true)
			}
		case 4:
			if s.LoseReply != nil {
				s.LoseReply(p.of)
			}
		case 5:
			_ = p.root.RestartChild(context.Background(), "shards")
		case 6:
			if held := p.shards.Held(); len(held) > 0 {
				_ = p.root.RestartChild(context.Background(), fmt.Sprintf("/%s/shards/shards/%d", p.id, held[random.IntN(len(held))]))
			}
		}
	})
	for _, p := range all {
		s.Cut(p.of, false)
		for i := range p.fail {
			p.fail[i].Store(false)
		}
	}
	balanced := func() bool {
		for _, p := range all {
			if len(p.shards.Held()) != someShards/len(all) {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(40 * s.TTL); !balanced() && time.Now().Before(end); {
		sleep(context.Background(), s.TTL/10)
	}
	for i, l := range g.of {
		if wrong := l.wrong(); wrong != "" {
			t.Fatalf("seed %d: shard %d: %s", seed, i, wrong)
		}
	}
	switch {
	case late.Load() != nil:
		t.Fatalf("seed %d: %v", seed, *late.Load())
	case !balanced():
		for _, p := range all {
			st, _ := p.root.Lookup("shards")
			t.Logf("%s has %v: %s", p.id, p.shards.Held(), st.Text)
		}
		t.Fatalf("seed %d: the members are not balanced after the storm", seed)
	}
}
