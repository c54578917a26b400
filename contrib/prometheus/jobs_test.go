package coppiceprom_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/periodic"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

const (
	lastSuccess = "coppice_periodic_last_success_timestamp_seconds"
	sweep       = lastSuccess + `{path="/shop/sweep"}`
)

// newSweep returns a job whose calls, one each minute, return err.
func newSweep(err error) *periodic.Job {
	return periodic.New(periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error { return err }})
}

func TestAJobOfTheTreeIsExportedWithoutRegistration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var fails atomic.Bool
		j := periodic.New(periodic.Spec{Every: time.Minute, Do: func(context.Context) error {
			if fails.Load() {
				return errBoom
			}
			return nil
		}})
		s := start(t, supervisor.Spec{Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "sweep", Run: j.Run}}}, coppiceprom.Spec{})
		got := s.scrape()
		require.Contains(t, got, sweep)
		require.Zero(t, got[sweep], "before the first success")
		pass(90 * time.Second)
		want := time.Now().Add(-30 * time.Second).Unix()
		require.EqualValues(t, want, s.scrape()[sweep])

		fails.Store(true)
		pass(time.Minute)
		got = s.scrape()
		require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/sweep"`))
		require.EqualValues(t, want, got[sweep], "it waits for its restart")
		require.NoError(t, s.StopChild(t.Context(), "sweep"))
		require.EqualValues(t, want, s.scrape()[sweep], "its child is still in the tree")

		fails.Store(false)
		require.NoError(t, s.RestartChild(t.Context(), "sweep"))
		require.EqualValues(t, want, s.scrape()[sweep], "what a job knows survives restarts")
		pass(time.Minute)
		require.EqualValues(t, time.Now().Unix(), s.scrape()[sweep])

		require.NoError(t, s.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "sweep", Run: idle}}}))
		require.NotEmpty(t, s.scrape().about(lastSuccess), "the job still runs")
		require.NoError(t, s.RestartChild(t.Context(), "sweep"))
		s.scrape()
		pass(time.Second)
		require.Empty(t, s.scrape().about(lastSuccess), "something else is in its place")
	})
}

func TestAJobWhoseScheduleIsOverIsNotOverdue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		once := time.Now().Add(time.Minute)
		j := periodic.New(periodic.Spec{
			Next: func(after time.Time) time.Time {
				if after.Before(once) {
					return once
				}
				return time.Time{}
			},
			Do: func(context.Context) error { return nil },
		})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "sweep", Run: j.Run, Restart: child.Transient}}}, coppiceprom.Spec{})
		require.Contains(t, s.scrape(), sweep)
		pass(2 * time.Minute)
		got := s.scrape()
		require.Equal(t, []string{"done"}, got.state("coppice_child_state", `path="/shop/sweep"`))
		require.NotContains(t, got, sweep)
	})
}

// Of many processes, the one that leads shows when a job behind a gate has succeeded.
func TestAJobBehindAClosedGateHasNoSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var on atomic.Bool
		flag := gate.Flag(time.Second, func(context.Context) (bool, error) { return on.Load(), nil })
		g := gate.New(gate.Spec{Name: "sweep", Elector: flag, Run: newSweep(nil).Run})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "sweep", Run: g.Run}}}, coppiceprom.Spec{})
		require.Empty(t, s.scrape().about(lastSuccess))
		on.Store(true)
		pass(time.Hour)
		require.InDelta(t, time.Now().Unix(), s.scrape()[lastSuccess+`{path="/shop/sweep/guarded"}`], 61)
		on.Store(false)
		pass(time.Minute)
		require.Empty(t, s.scrape().about(lastSuccess))
	})
}

func TestTheJobOfADynamicChildHasSeriesIfTheChildHas(t *testing.T) {
	for _, asked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}}},
				coppiceprom.Spec{SeriesFor: func(string) bool { return asked }})
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "sweep", Run: newSweep(nil).Run}))
			got := s.scrape()
			_, found := got[sweep]
			require.Equal(t, asked, found)
			require.Zero(t, got["coppice_series_omitted"])
			require.NoError(t, s.RemoveChild(t.Context(), "sweep"))
			require.Empty(t, s.scrape().about(lastSuccess))
		})
	}
}

func TestJobsThatDoNotFitAreOmitted(t *testing.T) {
	const tree = 59
	for room, want := range map[int]struct{ jobs, omitted int }{
		2*13 + 2: {2, 0},
		2*13 + 1: {1, 1},
		2 * 13:   {0, 2},
		13:       {0, 13 + 2},
	} {
		bubble(t, func(t *testing.T) {
			s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "one", Run: newSweep(nil).Run}, {Name: "two", Run: newSweep(nil).Run}}},
				coppiceprom.Spec{MaxSeries: tree + room})
			s.scrape()
			got := s.scrape()
			require.Len(t, got.about(lastSuccess), want.jobs, "room %d", room)
			require.EqualValues(t, want.omitted, got["coppice_series_omitted"], "room %d", room)
		})
	}
}

// The series of a job that was removed make room for another one.
func TestTheRoomOfARemovedJobIsFree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, supervisor.Spec{Strategy: strategy.Independent}, coppiceprom.Spec{
			MaxSeries: 59 + 13 + 1, SeriesFor: func(string) bool { return true },
		})
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: name, Run: newSweep(nil).Run}))
			got := s.scrape()
			require.Contains(t, got, lastSuccess+`{path="/shop/`+name+`"}`)
			require.Zero(t, got["coppice_series_omitted"])
			require.NoError(t, s.RemoveChild(t.Context(), name))
			pass(time.Second) // what has begun at the moment of the scrape could have come after it
			s.scrape()
		}
	})
}

func TestTheRoomOfAReplacedJobIsFree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tree := func(a, b func(child.Context) error) supervisor.Spec {
			return supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "a", Run: a}, {Name: "b", Run: b}}}
		}
		s := start(t, tree(newSweep(nil).Run, idle), coppiceprom.Spec{MaxSeries: 59 + 2*13 + 1})
		require.Contains(t, s.scrape(), lastSuccess+`{path="/shop/a"}`)
		require.NoError(t, s.Upgrade(tree(idle, newSweep(nil).Run)))
		require.NoError(t, s.RestartChild(t.Context(), "a"))
		require.NoError(t, s.RestartChild(t.Context(), "b"))
		require.EqualValues(t, 1, s.scrape()["coppice_series_omitted"])
		pass(time.Second)
		got := s.scrape()
		require.Len(t, got.about(lastSuccess), 1)
		require.Contains(t, got, lastSuccess+`{path="/shop/b"}`)
		require.Zero(t, got["coppice_series_omitted"])
	})
}

// A scrape in the middle of a restart must not end the series: an alert that waits would begin
// to wait again.
func TestAJobThatKeepsFailingAlwaysHasItsSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := periodic.New(periodic.Spec{Every: time.Hour, AtStart: true, Do: func(context.Context) error { return errBoom }})
		s := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "sweep", Run: j.Run}}}, coppiceprom.Spec{})
		for len(scrape(t, s.registry).about(lastSuccess)) == 0 { // until one sees it run
		}
		for range 300 {
			require.Contains(t, scrape(t, s.registry), sweep)
		}
	})
}
