package coppiceprom_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/supervisor"
)

const billing = `{gate="/shop/billing"}`

// newBilling returns a gate on a new member of an engine, with a term of 12 s.
func newBilling(e *gatetest.Engine, id string) (*gate.Gate, *gatetest.Member) {
	m := e.Member(id, 12*time.Second)
	return gate.New(gate.Spec{Name: "/shop/billing", Elector: m, Run: idle}), m
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAGateOfTheTreeIsExportedWithoutRegistration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		g, m := newBilling(e, "a")
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "bills", Run: g.Run}}}, coppiceprom.Spec{})
		pass(time.Second)
		got := s.scrape()
		require.EqualValues(t, 1, got["coppice_gate_leading"+billing])
		require.EqualValues(t, 1, got["coppice_gate_transitions_total"+billing])
		require.EqualValues(t, 0, got["coppice_gate_renew_failures_total"+billing])
		require.InDelta(t, time.Now().Add(12*time.Second).Unix(), got["coppice_gate_lease_deadline_timestamp_seconds"+billing], 3)

		m.Cut(true)
		pass(time.Minute)
		got = s.scrape()
		require.EqualValues(t, 0, got["coppice_gate_leading"+billing])
		require.NotZero(t, got["coppice_gate_renew_failures_total"+billing])
		require.NotContains(t, got, "coppice_gate_lease_deadline_timestamp_seconds"+billing)

		m.Cut(false)
		pass(time.Minute)
		got = s.scrape()
		require.EqualValues(t, 1, got["coppice_gate_leading"+billing])
		require.EqualValues(t, 2, got["coppice_gate_transitions_total"+billing])

		require.NoError(t, s.StopChild(t.Context(), "bills"))
		got = s.scrape()
		require.EqualValues(t, 0, got["coppice_gate_leading"+billing], "its child is still in the tree")
		require.EqualValues(t, 2, got["coppice_gate_transitions_total"+billing])
	})
}

func TestGatesWithTheSameNameAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := gatetest.NewEngine()
		a, _ := newBilling(e, "a")
		b, _ := newBilling(e, "b")
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}}}, coppiceprom.Spec{})
		pass(time.Second)
		require.NotEqual(t, a.Open(), b.Open())
		got := s.scrape()
		require.EqualValues(t, 1, got["coppice_gate_leading"+billing])
		require.EqualValues(t, 1, got["coppice_gate_transitions_total"+billing])
		require.Contains(t, got, "coppice_gate_lease_deadline_timestamp_seconds"+billing)
	})
}

func TestTheGateOfADynamicChildHasSeriesIfTheChildHas(t *testing.T) {
	for _, asked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			g, _ := newBilling(gatetest.NewEngine(), "a")
			s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}}},
				coppiceprom.Spec{SeriesFor: func(string) bool { return asked }})
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "bills", Run: g.Run}))
			pass(time.Second)
			got := s.scrape()
			_, found := got["coppice_gate_leading"+billing]
			require.Equal(t, asked, found)
			require.Zero(t, got["coppice_series_omitted"])
			require.NoError(t, s.RemoveChild(t.Context(), "bills"))
			require.Empty(t, s.scrape().about("coppice_gate"))
		})
	}
}

func TestGatesThatDoNotFitAreOmitted(t *testing.T) {
	const tree = 59
	for room, want := range map[int]struct{ gates, omitted int }{
		2 * (13 + 4): {2, 0},
		2*(13+4) - 1: {1, 4},
		2 * 13:       {0, 8},
		13:           {0, 13 + 8},
	} {
		bubble(t, func(t *testing.T) {
			// Nothing is guarded, because that would need room, too.
			one := gate.New(gate.Spec{Name: "one", Elector: away{time.Minute}, Run: idle})
			two := gate.New(gate.Spec{Name: "two", Elector: away{time.Minute}, Run: idle})
			s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "one", Run: one.Run}, {Name: "two", Run: two.Run}}},
				coppiceprom.Spec{MaxSeries: tree + room})
			s.scrape()
			got := s.scrape()
			require.Len(t, got.about("coppice_gate_leading"), want.gates, "room %d", room)
			require.EqualValues(t, want.omitted, got["coppice_series_omitted"], "room %d", room)
		})
	}
}

// After an Upgrade that puts something else into its place, a gate is not shown as closed.
func TestAGateThatWasReplacedIsNotExported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, _ := newBilling(gatetest.NewEngine(), "a")
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "bills", Run: g.Run}}}, coppiceprom.Spec{})
		pass(time.Second)
		require.NotEmpty(t, s.scrape().about("coppice_gate"))
		require.NoError(t, s.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "bills", Run: idle}}}))
		require.NoError(t, s.RestartChild(t.Context(), "bills"))
		s.scrape()
		pass(time.Second)
		require.Empty(t, s.scrape().about("coppice_gate"))
	})
}
