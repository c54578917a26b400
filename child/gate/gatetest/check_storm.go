package gatetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/supervisor"
)

var errStorm = errors.New("a failure that the storm asked for")

// A process is a member with a gate, under a root of its own.
type process struct {
	id      string
	elector gate.Elector
	gate    *gate.Gate
	root    *supervisor.Supervisor
	fail    chan struct{}
	ledger  *ledger
}

func startProcess(t testing.TB, s *Subject, id, name string, g *ledger, late *atomic.Pointer[error]) *process {
	p := &process{id: id, elector: s.Member(id), fail: make(chan struct{}, 1), ledger: g}
	p.gate = gate.New(gate.Spec{
		Name:    name,
		Elector: p.elector,
		Run:     p.guarded,
		Late:    func(err error) { late.Store(&err) },
	})
	p.root = s.startRoot(t, id, child.Spec{Name: "gate", Run: p.gate.Run})
	return p
}

// guarded takes a little time to stop.
func (p *process) guarded(ctx child.Context) error {
	token, ok := gate.Token(ctx)
	if !ok {
		return gate.ErrNoLease
	}
	p.ledger.begin(p.id, token)
	defer p.ledger.end(p.id)
	if err := ctx.Ready(); err != nil {
		return err
	}
	select {
	case <-p.fail:
		return errStorm
	case <-ctx.Done():
	}
	sleep(ctx.Grace(), p.elector.TTL()/20)
	return nil
}

// gatesInAStorm cuts off members, lets them yield, fail, restart and lose replies, and
// stops the engine, at random.
func gatesInAStorm(t testing.TB, s *Subject) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var late atomic.Pointer[error]
	g := newLedger()
	var all []*process
	for i := range 4 {
		all = append(all, startProcess(t, s, fmt.Sprint("process-", i), t.Name(), g, &late))
	}
	s.storm(random, 20, func() {
		p := all[random.IntN(len(all))]
		switch random.IntN(8) {
		case 0, 1:
			s.Cut(p.elector, true)
		case 2, 3:
			s.Cut(p.elector, false)
		case 4:
			ctx, cancel := context.WithTimeout(context.Background(), s.TTL)
			_ = p.gate.Yield(ctx)
			cancel()
		case 5:
			if p.gate.Open() {
				p.fail <- struct{}{}
			}
		case 6:
			if s.LoseReply != nil {
				s.LoseReply(p.elector)
			}
		case 7:
			_ = p.root.RestartChild(context.Background(), "gate")
		}
		select { // what was not taken
		case <-p.fail:
		default:
		}
	})
	for _, p := range all {
		s.Cut(p.elector, false)
	}
	led := false
	for end := time.Now().Add(80 * s.TTL); !led && time.Now().Before(end); { // gates that have failed wait for a while
		for _, p := range all {
			led = led || p.gate.Open()
		}
		sleep(context.Background(), s.TTL/10)
	}
	leaders := g.leaders()
	t.Logf("seed %d: leaders %v", seed, leaders)
	switch fault := g.wrong(); {
	case fault != "":
		t.Fatalf("seed %d: %s", seed, fault)
	case late.Load() != nil:
		t.Fatalf("seed %d: %v", seed, *late.Load())
	case !led:
		t.Fatalf("seed %d: nobody leads after the storm", seed)
	case s.Storm >= 50 && len(leaders) < 2:
		t.Fatalf("seed %d: only %v have led", seed, leaders)
	}
}
