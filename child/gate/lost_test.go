package gate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The engine cannot be reached: everything stops in order, before the lease can be another's,
// and the process stays.
func TestWhenTheEngineIsAwayWhatIsGuardedStopsInOrderBeforeTheLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		type stop struct {
			who   string
			cause error
			at    time.Time
		}
		stops := make(chan stop, 2)
		slow := func(who string) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				time.Sleep(time.Second)
				stops <- stop{who, context.Cause(ctx), time.Now()}
				return nil
			}
		}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "grandchild", Run: slow("grandchild")}}})
		tree := supervisor.New(supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "child", Run: slow("child")}, {Name: "inner", Run: inner.Run},
		}})
		a := member(t, e, "a", gate.Spec{Run: tree.Run})
		after(time.Minute)
		end := a.gate.State().Until
		a.Cut(true)
		for _, who := range []string{"grandchild", "child"} {
			s := <-stops
			require.Equal(t, who, s.who)
			require.ErrorIs(t, s.cause, gate.ErrLost)
			require.ErrorIs(t, s.cause, child.ErrStopped)
			require.ErrorIs(t, s.cause, gatetest.ErrUnreachable)
			require.Less(t, s.at, end)
		}
		after(0)
		require.False(t, a.gate.Open())
		require.NoError(t, a.root.Health())
		require.Zero(t, a.billing(t).Restarts)
		require.ErrorIs(t, a.billing(t).LastError, gatetest.ErrUnreachable)

		b := member(t, e, "b", gate.Spec{Run: idle})
		after(2 * ttl)
		require.True(t, b.gate.Open())
		require.Contains(t, a.text(t), "standby: the engine does not answer")
		a.stop(t, ttl/4) // an engine that is away does not hold up a stop

		b.Cut(true)
		after(2 * ttl)
		require.False(t, b.gate.Open())
		b.Cut(false)
		after(2 * ttl)
		require.True(t, b.gate.Open(), "it leads again, in the same run")
		require.EqualValues(t, 3, b.gate.State().Token)
		require.Zero(t, b.billing(t).Restarts)
	})
}

// The moment at which the stop begins follows from the terms.
func TestTheStopBeginsWhenThereIsJustEnoughTimeForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		causes := make(chan error, 1)
		a := member(t, e, "a", gate.Spec{Run: guarding(causes)})
		terms := gate.Spec{Elector: a.Member}.Terms()
		after(time.Minute)
		end := a.gate.State().Until
		a.Cut(true)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		require.WithinDuration(t, end.Add(-terms.StopWithin-terms.ReleaseWithin-terms.Slack), time.Now(), time.Millisecond)
	})
}

func TestARenewalThatSucceedsInTimeKeepsTheLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		for range 20 {
			after(ttl)
			a.Cut(true)
			after(4100 * time.Millisecond)
			a.Cut(false)
		}
		after(ttl)
		require.EqualValues(t, 1, a.gate.State().Wins)
		require.NoError(t, a.gate.State().EngineErr)
		require.GreaterOrEqual(t, a.gate.State().RenewalsFailed, uint64(20))
	})
}

func TestARenewalWhoseAnswerIsLostIsRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		for range 20 {
			a.LoseReplies(1)
			after(ttl)
		}
		require.EqualValues(t, 1, a.gate.State().Wins)
		require.GreaterOrEqual(t, a.gate.State().RenewalsFailed, uint64(20))
	})
}

func TestALeaseThatSomebodyDeletedIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		causes := make(chan error, 1)
		a := member(t, e, "a", gate.Spec{Run: guarding(causes)})
		after(time.Minute)
		e.Delete(name)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		after(ttl)
		require.True(t, a.gate.Open())
		require.EqualValues(t, 2, a.gate.State().Token)
		require.ErrorContains(t, a.billing(t).LastError, `lease /shop/billing: lease lost: another holds it`)
	})
}

// lossy is an elector whose leases end when the test says so, by Lost.
type lossy struct {
	gate.Elector
	lost chan struct{}
}

type lossyLease struct {
	gate.Lease
	lost chan struct{}
}

func (l lossyLease) Lost() <-chan struct{} { return l.lost }

func (e *lossy) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	l, err := e.Elector.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return lossyLease{l, e.lost}, nil
}

func TestALossThatTheEngineReportsStopsAtOnceAndReleasesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		engine := gatetest.NewEngine()
		e := &lossy{engine.Member("a", ttl), make(chan struct{})}
		causes := make(chan error, 1)
		p := new(process)
		p.start(t, "a", gate.Spec{Elector: e, Run: guarding(causes)}, supervisor.Spec{})
		began := time.Now()
		close(e.lost)
		require.ErrorIs(t, <-causes, gate.ErrLost)
		require.Equal(t, began, time.Now())
		after(0)
		h, err := e.Holder(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, "a", h.ID)
		require.ErrorContains(t, p.billing(t).LastError, "reported by the engine")
	})
}

// What is granted is what counts. A term that is too short for an orderly stop is refused.
func TestATermThatDoesNotFitIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		e.Grant(ttl / 3)
		a := member(t, e, "a", gate.Spec{Run: idle})
		after(time.Minute)
		require.Zero(t, a.gate.State().Wins)
		require.ErrorContains(t, a.billing(t).LastError, "the engine granted 4s instead of 12s, which does not fit: TTL 4s x 0.99 = 3.96s; renewal 2s")
		h, err := a.gate.Holder(t.Context())
		require.NoError(t, err)
		require.Empty(t, h.ID, "it was released")
		e.Grant(2 * ttl)
		after(ttl)
		require.True(t, a.gate.Open())
		require.Greater(t, time.Until(a.gate.State().Until), ttl)
	})
}

// An engine that panics, exits, returns nothing or a nonsense term does not bring the gate
// down.
type hostile struct {
	gate.Elector
	calls int
}

func (h *hostile) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	switch h.calls++; h.calls {
	case 1:
		panic("no engine")
	case 2:
		return nil, nil
	case 3:
		return nil, errors.Join()
	case 4:
		l, err := h.Elector.Acquire(ctx, name)
		return nonsense{l}, err
	}
	return h.Elector.Acquire(ctx, name)
}

type nonsense struct{ gate.Lease }

func (nonsense) Term() gate.Term { return gate.Term{TTL: -time.Second} }

func TestAHostileEngineIsReportedAndTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := new(process)
		h := &hostile{Elector: gatetest.NewEngine().Member("a", ttl)}
		p.start(t, "a", gate.Spec{Elector: h, Run: idle}, supervisor.Spec{})
		require.ErrorContains(t, p.billing(t).LastError, "no engine")
		after(time.Minute)
		require.True(t, p.gate.Open())
		require.Equal(t, 5, h.calls)
		require.Zero(t, p.billing(t).Restarts)
	})
}
