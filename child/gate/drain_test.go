package gate_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

func TestAMemberThatDrainsDoesNotBid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := &process{Member: e.Member("b", ttl)}
		b.start(t, "b", gate.Spec{Elector: b.Member, Run: idle}, supervisor.Spec{Drain: time.Minute})
		after(time.Second)
		stopped := make(chan error)
		go func() { stopped <- b.root.Stop(context.Background()) }()
		after(time.Second)
		require.ErrorIs(t, b.root.Health(), supervisor.ErrDraining)
		a.stop(t, 0)
		after(30 * time.Second)
		require.False(t, b.gate.Open())
		// Nor does a gate that starts meanwhile.
		require.NoError(t, b.root.RestartChild(t.Context(), "billing"))
		after(10 * time.Second)
		require.False(t, b.gate.Open())
		require.NoError(t, <-stopped)
	})
}

func TestALeaderLeadsOnWhileTheRootDrains(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := &process{Member: gatetest.NewEngine().Member("a", ttl)}
		a.start(t, "a", gate.Spec{Elector: a.Member, Run: idle}, supervisor.Spec{Drain: time.Minute})
		stopped := make(chan error)
		go func() { stopped <- a.root.Stop(context.Background()) }()
		after(59 * time.Second)
		require.True(t, a.gate.Open())
		require.NoError(t, <-stopped)
	})
}

// The siblings after the gate stop first, which may take long. Meanwhile, it must not win.
func TestAMemberWhoseProcessStopsDoesNotBid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := &process{Member: e.Member("b", ttl)}
		slow := func(ctx child.Context) error {
			err := idle(ctx)
			time.Sleep(time.Minute)
			return err
		}
		b.start(t, "b", gate.Spec{Elector: b.Member, Run: idle}, supervisor.Spec{Children: []child.Spec{{Name: "slow", Run: slow, StopTimeout: time.Hour}}})
		go func() { _ = b.root.Stop(context.Background()) }()
		after(time.Second)
		a.stop(t, 0)
		after(30 * time.Second)
		require.False(t, b.gate.Open())
		require.NoError(t, b.root.Wait())
		require.Zero(t, b.gate.State().Wins)
	})
}

// A rolling restart moves the lead at most once per process that is stopped.
func TestARollingRestartMovesTheLeadAtMostOncePerProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		var all []*process
		for _, id := range []string{"a", "b", "c"} {
			p := &process{Member: e.Member(id, ttl)}
			p.start(t, id, gate.Spec{Elector: p.Member, Run: idle}, supervisor.Spec{Drain: 5 * time.Second})
			all = append(all, p)
		}
		after(time.Minute)
		for _, p := range all {
			require.NoError(t, p.root.Stop(context.Background()))
			require.NoError(t, p.root.Start(t.Context()))
			after(time.Minute)
		}
		wins := uint64(0)
		for _, p := range all {
			wins += p.gate.State().Wins
		}
		require.LessOrEqual(t, wins, uint64(1+3))
		h, err := all[0].gate.Holder(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, h.ID)
	})
}
