package gate_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// ends returns a Run that is ready and ends by itself after a while.
func ends(after time.Duration, by func() error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		if child.Sleep(ctx, after) {
			return nil
		}
		return by()
	}
}

// The gate returns what Spec.Run returned, after it has released the lease.
func TestAnEndByItselfReleasesAndIsTheEndOfTheGate(t *testing.T) {
	for what, c := range map[string]struct {
		by    func() error
		state child.State
		err   string
	}{
		"nil":      {func() error { return nil }, child.Done, ""},
		"ErrDone":  {func() error { return child.ErrDone }, child.Done, ""},
		"an error": {func() error { return errBoom }, child.Running, "boom"},
		"a panic":  {func() error { panic("oops") }, child.Running, "panic: oops"},
	} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				e := gatetest.NewEngine()
				p := &process{Member: e.Member("a", ttl)}
				failures := make(chan supervisor.Event, 10)
				g := gate.New(gate.Spec{Name: name, Elector: p.Member, Run: ends(time.Minute, c.by)})
				p.root = supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
					{Name: "billing", Run: g.Run, Restart: child.Transient},
				}})
				defer p.root.Subscribe(func(e supervisor.Event) { failures <- e }, supervisor.EventFailed)()
				require.NoError(t, p.root.Start(t.Context()))
				after(time.Minute)
				h, err := p.Holder(t.Context(), name)
				require.NoError(t, err)
				require.Equal(t, gate.Holder{Token: 1}, h, "it was released")
				st := p.billing(t)
				require.Equal(t, c.state, st.State)
				if c.err == "" {
					require.Empty(t, failures)
				} else {
					require.Len(t, failures, 1, "it is reported once")
					f := <-failures
					require.Equal(t, "/root/billing", f.Path)
					require.EqualError(t, f.Err, c.err)
				}
				require.NoError(t, p.root.Stop(t.Context()))
			})
		})
	}
}

func TestAnEscalationBehindAGateEndsTheSupervisorOfTheGate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := gate.New(gate.Spec{Name: name, Elector: gate.Alone(), Run: ends(0, func() error { return child.Escalate(errBoom) })})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
		err := root.Serve(t.Context())
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "escalated")
	})
}

func TestAFailedStartIsAFailureOfTheGate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: func(child.Context) error { return errBoom }})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Second)
		require.True(t, b.gate.Open())
		require.ErrorIs(t, a.billing(t).LastError, errBoom)
		require.Equal(t, 1, a.billing(t).Restarts)
	})
}

// After a failure, the member that failed waits, so that a healthy one leads.
func TestAfterAFailureAnotherLeads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: ends(time.Minute, func() error { return errBoom })})
		after(time.Minute)
		require.False(t, a.gate.Open())
		require.Equal(t, "standby, no bid before 2000-01-01T00:01:12Z", a.text(t))
		b := member(t, e, "b", gate.Spec{Run: idle})
		require.True(t, b.gate.Open())
		b.stop(t, time.Second)
		after(ttl - 2*time.Second)
		require.False(t, a.gate.Open(), "it waits for a whole term, even if another has led meanwhile")
		after(3 * time.Second)
		require.True(t, a.gate.Open())
	})
}

// A leader that always fails is restarted ever more slowly, so it does not exhaust the
// Intensity of its supervisor, and its siblings go on.
func TestAPoisonedLeaderBringsDownNoneOfItsSiblings(t *testing.T) {
	for _, term := range []time.Duration{time.Second / 2, time.Second, ttl} {
		t.Run(term.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				e := gatetest.NewEngine()
				var runs, wins atomic.Int32
				sibling := func(ctx child.Context) error {
					runs.Add(1)
					return idle(ctx)
				}
				for _, id := range []string{"a", "b", "c"} {
					p := &process{Member: e.Member(id, term)}
					p.start(t, id, gate.Spec{Elector: p.Member, Run: func(child.Context) error {
						wins.Add(1)
						return errBoom
					}}, supervisor.Spec{Children: []child.Spec{{Name: "web", Run: sibling}}})
				}
				after(20 * time.Minute)
				require.EqualValues(t, 3, runs.Load())
				require.Greater(t, int(wins.Load()), 30)
				require.Less(t, int(wins.Load()), 3*20+50)
			})
		})
	}
}

func TestAFailureDuringTheStopIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		unclean := func(ctx child.Context) error {
			err := idle(ctx)
			return errors.Join(err, errBoom)
		}
		a := member(t, e, "a", gate.Spec{Run: unclean})
		require.NoError(t, a.gate.Yield(t.Context()))
		require.ErrorIs(t, a.billing(t).LastError, errBoom)
		require.Zero(t, a.billing(t).Restarts)
		after(2 * ttl)
		require.True(t, a.gate.Open())

		var stop *supervisor.StopError
		require.ErrorAs(t, a.root.Stop(t.Context()), &stop)
		require.Len(t, stop.Unclean, 1)
		require.EqualError(t, stop.Unclean[0], "/a/billing/guarded: boom")
	})
}
