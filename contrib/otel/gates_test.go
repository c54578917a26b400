package coppiceotel_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/supervisor"
)

const billing = "{coppice.gate.name=/shop/billing}"

func newBilling(e gate.Elector) *gate.Gate {
	return gate.New(gate.Spec{Name: "/shop/billing", Elector: e, Run: idle})
}

// gates returns the number of series of gates.
func gates(series map[string]float64) (n int) {
	for name := range series {
		if strings.HasPrefix(name, "coppice.gate.") {
			n++
		}
	}
	return n
}

func TestAGateOfTheTreeIsReportedWithoutRegistration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		m := gatetest.NewEngine().Member("a", 12*time.Second)
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "bills", Run: newBilling(m).Run}}})
		time.Sleep(time.Second)
		found := r.series(t)
		require.Equal(t, 1., found["coppice.gate.leading"+billing])
		require.Equal(t, 1., found["coppice.gate.transitions"+billing])
		require.Contains(t, found, "coppice.gate.renew_failures"+billing)
		require.Zero(t, found["coppice.gate.renew_failures"+billing])
		require.InDelta(t, time.Now().Add(12*time.Second).Unix(), found["coppice.gate.lease_deadline"+billing], 3)

		m.Cut(true)
		time.Sleep(time.Minute)
		found = r.series(t)
		require.Contains(t, found, "coppice.gate.leading"+billing)
		require.Zero(t, found["coppice.gate.leading"+billing])
		require.NotZero(t, found["coppice.gate.renew_failures"+billing])
		require.NotContains(t, found, "coppice.gate.lease_deadline"+billing)

		m.Cut(false)
		time.Sleep(time.Minute)
		require.Equal(t, 2., r.series(t)["coppice.gate.transitions"+billing])

		require.NoError(t, root.StopChild(t.Context(), "bills"))
		for range 2 {
			found = r.series(t)
			require.Contains(t, found, "coppice.gate.leading"+billing, "its child is still in the tree")
			require.Zero(t, found["coppice.gate.leading"+billing])
			require.Equal(t, 2., found["coppice.gate.transitions"+billing])
		}

		require.NoError(t, root.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "bills", Run: idle}}}))
		require.NoError(t, root.RestartChild(t.Context(), "bills"))
		r.series(t)
		time.Sleep(time.Second)
		require.Zero(t, gates(r.series(t)), "something else is in its place")
	})
}

func TestGatesWithTheSameNameAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, e := newRig(coppiceotel.Spec{}), gatetest.NewEngine()
		a, b := newBilling(e.Member("a", 12*time.Second)), newBilling(e.Member("b", 12*time.Second))
		r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}}})
		time.Sleep(time.Second)
		require.NotEqual(t, a.Open(), b.Open())
		found := r.series(t)
		require.Equal(t, 1., found["coppice.gate.leading"+billing])
		require.Equal(t, 1., found["coppice.gate.transitions"+billing])
		require.Equal(t, 4, gates(found))
	})
}

func TestTheGateOfADynamicChildHasSeriesIfTheChildHas(t *testing.T) {
	for _, asked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{SeriesFor: func(string) bool { return asked }})
			root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}}})
			g := newBilling(gatetest.NewEngine().Member("a", 12*time.Second))
			require.NoError(t, root.StartChild(t.Context(), child.Spec{Name: "bills", Run: g.Run}))
			time.Sleep(time.Second)
			want := 0
			if asked {
				want = 4
			}
			require.Equal(t, want, gates(r.series(t)))
			require.NoError(t, root.RemoveChild(t.Context(), "bills"))
			require.Zero(t, gates(r.series(t)))
		})
	}
}

// away is an engine that gives no lease, so that nothing is guarded, which would need room.
type away struct{}

func (away) TTL() time.Duration                                  { return time.Minute }
func (away) Holder(context.Context, string) (gate.Holder, error) { return gate.Holder{}, nil }

func (away) Acquire(ctx context.Context, _ string) (gate.Lease, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestGatesThatDoNotFitAreOmitted(t *testing.T) {
	const tree = 10 + 19
	for room, want := range map[int]struct {
		gates   int
		omitted float64
	}{
		2 * (13 + 4): {2, 0},
		2*(13+4) - 1: {1, 4},
		2 * 13:       {0, 8},
	} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{MaxSeries: tree + room})
			var spec supervisor.Spec
			for _, name := range []string{"one", "two"} {
				g := gate.New(gate.Spec{Name: name, Elector: away{}, Run: idle})
				spec.Children = append(spec.Children, child.Spec{Name: name, Run: g.Run})
			}
			root := r.start(t, spec)
			synctest.Wait()
			for range 2 {
				found := r.series(t)
				require.Equal(t, 3*want.gates, gates(found), "room %d; none has a deadline", room)
				require.Equal(t, want.omitted, found["coppice.series.omitted{}"], "room %d", room)
			}
			// What is removed makes room.
			if room == 2*13 {
				spec.Children = spec.Children[:1]
				require.NoError(t, root.RemoveChild(t.Context(), "two"))
				require.NoError(t, root.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: spec.Children}))
				r.series(t)
				require.Equal(t, 3, gates(r.series(t)))
			}
		})
	}
}
