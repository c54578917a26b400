package gate_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// Alone conforms as far as that makes sense: its leases do not end.
func TestAloneConforms(t *testing.T) {
	tried := 0
	for _, c := range gatetest.Checks() {
		switch c.Name {
		case "release hands over at once", "one holder at a time, and tokens grow, over thousands of hand-overs",
			"a hundred contenders each get their turn", "leases with other names are independent",
			"tokens grow after a time without a holder", "an Acquire that is cancelled leaves nothing", "Holder says who holds the lease":
			tried++
			t.Run(c.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := gate.Alone()
					c.Run(t, gatetest.Subject{TTL: time.Second, Member: func(string) gate.Elector { return e }})
				})
			})
		}
	}
	require.Equal(t, 7, tried)
}

func TestGatesOfOneProcessTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gate.Alone()
		a, b := new(process), new(process)
		a.start(t, "a", gate.Spec{Elector: e, Run: idle}, supervisor.Spec{})
		b.start(t, "b", gate.Spec{Elector: e, Run: idle}, supervisor.Spec{})
		after(time.Hour)
		require.True(t, a.gate.Open())
		require.False(t, b.gate.Open())
		require.Zero(t, a.gate.State().Until)
		require.Equal(t, "standby, this process leads with token 1 since 2000-01-01T00:00:00Z", b.text(t))
		require.NoError(t, a.gate.Yield(t.Context()))
		after(0)
		require.True(t, b.gate.Open())
	})
}

func TestAFlagOpensAndCloses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var on, failing atomic.Bool
		causes := make(chan error, 1)
		p := new(process)
		p.start(t, "a", gate.Spec{
			Elector: gate.Flag(time.Minute, func(context.Context) (bool, error) {
				if failing.Load() {
					return false, errBoom
				}
				return on.Load(), nil
			}),
			RenewEvery: time.Minute,
			Run:        guarding(causes),
		}, supervisor.Spec{})
		after(time.Hour)
		require.False(t, p.gate.Open())
		on.Store(true)
		after(time.Minute)
		require.True(t, p.gate.Open())
		failing.Store(true)
		after(time.Hour)
		require.True(t, p.gate.Open(), "an error changes nothing")
		require.ErrorIs(t, p.billing(t).LastError, errBoom)
		failing.Store(false)
		on.Store(false)
		after(2 * time.Minute)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		require.False(t, p.gate.Open())
		require.ErrorContains(t, p.billing(t).LastError, "the flag is off")
		failing.Store(true)
		after(time.Hour)
		failing.Store(false)
		on.Store(true)
		after(5 * time.Minute)
		require.True(t, p.gate.Open())
		require.EqualValues(t, 2, p.gate.State().Token)
		h, err := p.gate.Holder(t.Context())
		require.NoError(t, err)
		require.Equal(t, gate.Holder{Token: 2}, h)
	})
}

func TestAFlagIsAskedEachSecondByDefault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		e := gate.Flag(0, func(context.Context) (bool, error) { asked++; return asked > 10, nil })
		ctx, cancel := context.WithCancelCause(t.Context())
		began := time.Now()
		_, err := e.Acquire(ctx, name)
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(began))
		asked = -1000
		cancel(errBoom)
		_, err = e.Acquire(ctx, name)
		require.True(t, errors.Is(err, errBoom), err)
	})
}
