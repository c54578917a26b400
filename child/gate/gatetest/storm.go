package gatetest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// startRoot starts a supervisor that stands for a process. It has one child.
func (s *Subject) startRoot(t testing.TB, id string, spec child.Spec) *supervisor.Supervisor {
	root := supervisor.New(supervisor.Spec{
		Name:     id,
		Logger:   slog.New(slog.DiscardHandler),
		Backoff:  child.Constant(s.TTL / 20),
		Children: []child.Spec{spec},
	})
	if err := root.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	return root
}

// storm calls strike Storm times, with random pauses of up to a term. About once in awayEvery
// strikes it stops the engine for up to two terms.
func (s *Subject) storm(random *rand.Rand, awayEvery int, strike func()) {
	for range s.Storm {
		strike()
		if s.Away != nil && random.IntN(awayEvery) == 0 {
			s.Away(true)
			sleep(context.Background(), time.Duration(random.Int64N(int64(2*s.TTL))))
			s.Away(false)
		}
		sleep(context.Background(), time.Duration(random.Int64N(int64(s.TTL))))
	}
}
