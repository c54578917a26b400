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

func TestYieldHandsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		causes := make(chan error, 1)
		a := member(t, e, "a", gate.Spec{Run: guarding(causes)})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Minute)
		require.NoError(t, a.gate.Yield(t.Context()))
		require.ErrorIs(t, <-causes, gate.ErrYielded)
		require.False(t, a.gate.Open())
		after(0)
		require.True(t, b.gate.Open())
		require.NoError(t, a.billing(t).LastError, "a hand-over that was asked for is no error")
		require.Zero(t, a.billing(t).Restarts)

		after(ttl / 2) // it has seen that another leads, and bids again
		b.stop(t, 0)
		after(0)
		require.True(t, a.gate.Open())
	})
}

func TestAfterYieldAMemberThatIsAloneLeadsAgainAfterATerm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: idle})
		require.NoError(t, a.gate.Yield(t.Context()))
		require.Equal(t, "standby, no bid before 2000-01-01T00:00:12Z", a.text(t))
		require.Equal(t, ttl, time.Until(a.gate.State().NoBid))
		after(ttl - time.Millisecond)
		require.False(t, a.gate.Open())
		after(time.Millisecond)
		require.True(t, a.gate.Open())
		require.Zero(t, a.gate.State().NoBid)
	})
}

// A restart that was asked for is no reason to wait.
func TestAMemberThatIsAloneLeadsAgainAtOnceAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: idle})
		for range 3 {
			after(time.Minute)
			require.True(t, a.gate.Open())
			require.NoError(t, a.root.RestartChild(t.Context(), "billing"))
			after(time.Millisecond)
			require.True(t, a.gate.Open())
		}
		require.NoError(t, a.gate.Yield(t.Context()))
		require.NoError(t, a.root.RestartChild(t.Context(), "billing"))
		after(ttl - time.Second)
		require.False(t, a.gate.Open(), "a restart does not shorten the wait")
		after(2 * time.Second)
		require.True(t, a.gate.Open())
	})
}

func TestYieldOfAStandbyWithdrawsItsBid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Second)
		require.NoError(t, b.gate.Yield(t.Context()))
		a.stop(t, 0)
		after(time.Second)
		require.False(t, b.gate.Open())
		after(ttl)
		require.True(t, b.gate.Open())
	})
}

func TestYieldOfAGateThatDoesNotRunDoesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: idle})
		a.stop(t, 0)
		require.NoError(t, a.gate.Yield(t.Context()))
		require.NoError(t, gate.New(gate.Spec{}).Yield(t.Context()))
	})
}

func TestYieldFromInsideReturnsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		done := make(chan error, 1)
		var g *gate.Gate
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			done <- g.Yield(ctx)
			<-ctx.Done()
			return nil
		}}}})
		g = gate.New(gate.Spec{Name: name, Elector: gate.Alone(), Run: tree.Run})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, <-done)
		after(time.Millisecond)
		require.False(t, g.Open())
		require.NoError(t, root.Stop(context.Background()))
	})
}

func TestYieldGivesUpWithItsContextAndTheHandOverGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(ctx child.Context) error {
			err := idle(ctx)
			time.Sleep(3 * time.Second)
			return err
		}
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: slow})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.gate.Yield(ctx), context.DeadlineExceeded)
		require.Equal(t, "stops with token 1", a.text(t))
		require.NoError(t, a.gate.Yield(t.Context()), "it waits for the one under way")
		require.Zero(t, a.gate.State().Token)
	})
}

// A lease is renewed while what it guards stops, however the stop began.
func TestAStopMayTakeUntilJustBeforeStopWithin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := func(ctx child.Context) error {
			err := idle(ctx)
			time.Sleep(3900 * time.Millisecond)
			return err
		}
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: slow})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Second)
		a.stop(t, 3900*time.Millisecond)
		after(0)
		require.True(t, b.gate.Open())
	})
}

// A release that is not answered does not hold up the stop for long, and is reported.
func TestAReleaseThatFailsIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: idle})
		after(time.Second)
		a.Cut(true)
		began := time.Now()
		err := a.gate.Yield(t.Context())
		require.ErrorIs(t, err, gatetest.ErrUnreachable)
		require.Equal(t, ttl/12, time.Since(began))
		require.ErrorContains(t, a.billing(t).LastError, "not released, so it ends with its term")
	})
}

func TestYieldWithoutAContextIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: idle})
		after(time.Minute)
		var none context.Context
		require.ErrorContains(t, a.gate.Yield(none), "nil context")
		require.True(t, a.gate.Open())
	})
}
