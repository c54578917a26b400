package gate_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

func TestALeaderThatStaysUnreadyYields(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		causes := make(chan error, 1)
		unready := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errBoom)
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return nil
		}
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: unready}}})
		a := member(t, e, "a", gate.Spec{Run: tree.Run, YieldAfter: 30 * time.Second})
		b := member(t, e, "b", gate.Spec{Run: idle, YieldAfter: 30 * time.Second})
		after(29 * time.Second)
		require.True(t, a.gate.Open())
		since := a.gate.State().Since
		err := <-causes
		require.ErrorIs(t, err, gate.ErrUnready)
		require.ErrorIs(t, err, errBoom)
		require.LessOrEqual(t, time.Since(since), 33*time.Second)
		after(0)
		require.True(t, b.gate.Open())
		require.ErrorIs(t, a.billing(t).LastError, gate.ErrUnready)
		after(time.Hour)
		require.True(t, b.gate.Open())
	})
}

func TestALeaderThatIsNeverReadyYields(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		var starts atomic.Int32
		never := func(ctx child.Context) error {
			starts.Add(1)
			<-ctx.Done()
			return nil
		}
		a := member(t, e, "a", gate.Spec{Run: never, YieldAfter: 10 * time.Second})
		after(time.Minute)
		require.Greater(t, int(starts.Load()), 1)
		require.Zero(t, a.billing(t).Restarts)
	})
}

func TestALeaderThatRecoversInTimeGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		flaps := func(ctx child.Context) error {
			for {
				if err := ctx.Ready(); err != nil {
					return err
				}
				if child.Sleep(ctx, 10*time.Second) {
					return nil
				}
				ctx.Unready(errBoom)
				if child.Sleep(ctx, 10*time.Second) {
					return nil
				}
			}
		}
		a := member(t, gatetest.NewEngine(), "a", gate.Spec{Run: flaps, YieldAfter: 15 * time.Second})
		b := member(t, gatetest.NewEngine(), "b", gate.Spec{Run: flaps})
		after(time.Hour)
		require.EqualValues(t, 1, a.gate.State().Wins)
		require.EqualValues(t, 1, b.gate.State().Wins)
	})
}
