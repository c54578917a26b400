package gate_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestOneLeadsAndTheOthersStandByReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Second)
		require.True(t, a.gate.Open())
		require.False(t, b.gate.Open())
		for _, p := range []*process{a, b} {
			require.NoError(t, p.root.Health())
			require.Equal(t, child.Running, p.billing(t).State)
		}
		require.Equal(t, "leads with token 1 since 2000-01-01T00:00:00Z", a.text(t))
		require.Equal(t, "standby, a leads with token 1 since 2000-01-01T00:00:00Z", b.text(t))

		st := a.gate.State()
		require.True(t, st.Running)
		require.EqualValues(t, 1, st.Token)
		require.EqualValues(t, 1, st.Wins)
		require.Zero(t, time.Since(st.Since.Add(time.Second)))
		require.Equal(t, ttl-ttl/100, st.Until.Sub(st.Since))
		require.Equal(t, gate.Holder{ID: "a", Token: 1, Since: st.Since.Round(0)}, round(b.gate.State().Seen))
		h, err := b.gate.Holder(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, h.Token)
		_, found := a.root.Lookup("billing/guarded")
		require.True(t, found)
		_, found = b.root.Lookup("billing/guarded")
		require.False(t, found)
	})
}

func round(h gate.Holder) gate.Holder {
	h.Since = h.Since.Round(0)
	return h
}

func TestALeaseIsKeptForAsLongAsItIsRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Hour)
		require.EqualValues(t, 1, a.gate.State().Wins)
		require.EqualValues(t, 1, a.gate.State().Token)
		require.Zero(t, b.gate.State().Wins)
		require.Zero(t, a.gate.State().RenewalsFailed)
	})
}

// The lease is released after the last child has gone, and the next member has it at once.
func TestAStopHandsOverAfterTheLastChildHasGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		var order []string
		slow := func(id string) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				time.Sleep(time.Second)
				h, err := e.Member("observer", ttl).Holder(context.Background(), name)
				order = append(order, fmt.Sprint(id, " gone, held by ", h.ID, err))
				return nil
			}
		}
		tree := supervisor.New(supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "first", Run: slow("first")}, {Name: "second", Run: slow("second")},
		}})
		a := member(t, e, "a", gate.Spec{Run: tree.Run})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Minute)
		a.stop(t, 2*time.Second)
		require.Equal(t, []string{"second gone, held by a<nil>", "first gone, held by a<nil>"}, order)
		after(0)
		require.True(t, b.gate.Open())
		require.EqualValues(t, 2, b.gate.State().Token)
		require.False(t, a.gate.Open())
		require.Equal(t, gate.State{Wins: 1}, a.gate.State())
	})
}

func TestWhatIsGuardedHasTheTokenInItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, ok := gate.Token(t.Context())
		require.False(t, ok)
		got := make(chan int64, 1)
		grandchild := func(ctx child.Context) error {
			token, _ := gate.Token(ctx)
			got <- token
			for n, l := range gate.Leases(ctx) {
				require.Equal(t, name, n)
				require.Equal(t, token, l.Token())
			}
			return idle(ctx)
		}
		tree := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: grandchild}}})
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: tree.Run})
		require.EqualValues(t, 1, <-got)
		a.stop(t, 0)
		member(t, e, "b", gate.Spec{Run: tree.Run})
		require.EqualValues(t, 2, <-got)
	})
}

func TestBehindTwoGatesTheInnermostTokenCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		outer, inner := gate.Alone(), gate.Alone()
		_ = outer.TTL()
		names := make(chan []string, 1)
		leaf := func(ctx child.Context) error {
			var all []string
			for n := range gate.Leases(ctx) {
				all = append(all, n)
			}
			names <- all
			return idle(ctx)
		}
		p := new(process)
		p.start(t, "a", gate.Spec{Elector: outer, Run: gate.New(gate.Spec{Name: "inner", Elector: inner, Run: leaf}).Run}, supervisor.Spec{})
		require.Equal(t, []string{"inner", name}, <-names)
	})
}

func TestAStopWhileStandingByLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a := member(t, e, "a", gate.Spec{Run: idle})
		b := member(t, e, "b", gate.Spec{Run: idle})
		after(time.Second)
		b.stop(t, 0)
		a.stop(t, 0)
		member(t, e, "c", gate.Spec{Run: idle})
		after(time.Second)
		h, err := b.gate.Holder(t.Context())
		require.NoError(t, err)
		require.Equal(t, "c", h.ID)
		require.EqualValues(t, 2, h.Token)
	})
}

// The gate runs without a supervisor, too: in a test.
func TestAGateRunsDetached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		causes := make(chan error, 1)
		g := gate.New(gate.Spec{Name: name, Elector: gate.Alone(), Run: guarding(causes)})
		done := make(chan error)
		go func() { done <- g.Run(child.FromContext(ctx)) }()
		after(time.Second)
		require.True(t, g.Open())
		require.Error(t, g.Run(child.FromContext(ctx)), "it runs already")
		cancel()
		require.NoError(t, <-done)
		require.ErrorIs(t, <-causes, context.Canceled)
		require.EqualError(t, g.Run(nil), "gate: nil context")
	})
}

// The gate beats for itself, once per RenewEvery at least, also if its engine reports
// something more often than that.
func TestAGateMayHaveAHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		member(t, e, "a", gate.Spec{Run: idle})
		g := gate.New(gate.Spec{Name: name, Elector: e.Member("b", ttl), Run: idle})
		b := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "billing", Run: g.Run, Heartbeat: 3 * time.Second}}})
		require.NoError(t, b.Start(t.Context()))
		after(time.Hour)
		st, _ := b.Lookup("billing")
		require.Zero(t, st.Restarts)
		require.NoError(t, st.LastError)
		require.NoError(t, b.Stop(context.Background()))
	})
}

func TestManyGatesInOneProcess(t *testing.T) {
	const many = 200
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		roots := make([]*supervisor.Supervisor, 2)
		gates := make([][]*gate.Gate, 2)
		for i := range roots {
			m := e.Member(fmt.Sprint("process ", i), ttl)
			var specs []child.Spec
			for j := range many {
				g := gate.New(gate.Spec{Name: fmt.Sprint("shard ", j), Elector: m, Run: idle, Late: func(err error) { t.Error(err) }})
				gates[i] = append(gates[i], g)
				specs = append(specs, child.Spec{Name: fmt.Sprint(j), Run: g.Run})
			}
			roots[i] = supervisor.New(supervisor.Spec{Name: "p", Strategy: strategy.Independent, Logger: quiet, Children: specs})
			require.NoError(t, roots[i].Start(t.Context()))
		}
		after(time.Minute)
		for j := range many {
			require.True(t, gates[0][j].Open() != gates[1][j].Open(), "shard %d", j)
		}
		require.NoError(t, roots[0].Stop(context.Background()))
		after(ttl)
		for j := range many {
			require.True(t, gates[1][j].Open())
		}
		require.NoError(t, roots[1].Stop(context.Background()))
	})
}

// A curious error asks the gate for its state each time that it is asked for its text.
type curious struct{ gate *gate.Gate }

func (c *curious) Error() string { return fmt.Sprint("open: ", c.gate.Open()) }

// faulty is an engine that answers with an error.
type faulty struct {
	*gatetest.Member
	err error
}

func (f *faulty) Acquire(context.Context, string) (gate.Lease, error) { return nil, f.err }

func TestTheErrorOfAnEngineIsNotCalledUnderALock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		err := new(curious)
		p := &process{Member: gatetest.NewEngine().Member("a", ttl)}
		spec := gate.Spec{Name: name, Elector: &faulty{p.Member, err}, Run: idle}
		err.gate = gate.New(spec)
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "billing", Run: err.gate.Run}}})
		require.NoError(t, root.Start(t.Context()))
		after(time.Second)
		st, _ := root.Lookup("billing")
		require.Equal(t, "standby: open: false", st.Text)
		require.NoError(t, root.Stop(context.Background()))
	})
}
