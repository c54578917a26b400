package coppiceprom_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestFailuresAndRestartsAreCountedByPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		s := start(t, supervisor.Spec{
			Intensity: strategy.Unlimited(),
			Children:  []child.Spec{{Name: "db", Run: db.Run}, {Name: "api", Run: idle}},
		}, coppiceprom.Spec{})
		db.end(errBoom)
		db.end(nil) // permanent, so it is restarted, but it is no failure
		db.panics("oops")
		db.orders <- func() error { runtime.Goexit(); return nil }
		failed := time.Now()
		time.Sleep(time.Hour)
		got := s.scrape()
		require.EqualValues(t, 4, got[`coppice_child_restarts_total{path="/shop/db"}`])
		require.EqualValues(t, 1, got[`coppice_child_failures_total{error_type="error",path="/shop/db"}`])
		require.EqualValues(t, 2, got[`coppice_child_failures_total{error_type="panic",path="/shop/db"}`])
		require.EqualValues(t, failed.Unix(), got[`coppice_child_last_failure_timestamp_seconds{path="/shop/db"}`])
		require.Equal(t, []string{
			`coppice_child_failures_total{error_type="error",path="/shop/api"} 0`,
			`coppice_child_failures_total{error_type="panic",path="/shop/api"} 0`,
			`coppice_child_restarts_total{path="/shop/api"} 0`,
			`coppice_heartbeats_missed_total{path="/shop/api"} 0`,
		}, got.about("_total", "/shop/api"), "0 before the first, so that increase sees it")
		require.NotContains(t, got, `coppice_child_last_failure_timestamp_seconds{path="/shop/api"}`)
		require.Zero(t, got["coppice_events_lost_total"])
	})
}

func TestCountersSurviveRestartsOfSupervisorsAndOfTheRoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		jobs := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(1, time.Hour), Children: []child.Spec{{Name: "db", Run: db.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}}, coppiceprom.Spec{})
		const restarts = `coppice_child_restarts_total{path="/shop/jobs/db"}`
		before := 0.0
		for _, want := range []float64{1, 1, 2, 2} { // each second failure makes jobs give up
			db.end(errBoom)
			got := s.scrape()
			require.Equal(t, want, got[restarts])
			require.GreaterOrEqual(t, got[restarts], before)
			before = got[restarts]
		}
		got := s.scrape()
		require.EqualValues(t, 4, got[`coppice_child_failures_total{error_type="error",path="/shop/jobs/db"}`])
		require.EqualValues(t, 2, got[`coppice_supervisor_gave_up_total{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 0, got[`coppice_supervisor_gave_up_total{supervisor="/shop"}`])
		require.EqualValues(t, 2, got[`coppice_child_restarts_total{path="/shop/jobs"}`])

		require.NoError(t, s.Stop(t.Context()))
		require.EqualValues(t, 2, s.scrape()[restarts])
		require.NoError(t, s.Start(t.Context()))
		db.end(errBoom)
		require.EqualValues(t, 3, s.scrape()[restarts])
	})
}

func TestTheRestartOfAGroupCountsOnce(t *testing.T) {
	for _, by := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			s := start(t, supervisor.Spec{Strategy: by, Children: []child.Spec{
				{Name: "p", Run: p.Run}, {Name: "a", Run: idle}, {Name: "b", Run: idle},
			}}, coppiceprom.Spec{})
			p.end(errBoom)
			require.Equal(t, []string{
				`coppice_child_restarts_total{path="/shop/a"} 0`,
				`coppice_child_restarts_total{path="/shop/b"} 0`,
				`coppice_child_restarts_total{path="/shop/p"} 1`,
			}, s.scrape().about("coppice_child_restarts_total"))
		})
	}
}

func TestCountersOfARemovedChildStay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}}, coppiceprom.Spec{})
		db.end(errBoom)
		require.NoError(t, s.RemoveChild(t.Context(), "db"))
		for range 2 {
			got := s.scrape()
			require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/db"}`])
			require.NotContains(t, got, `coppice_child_ready{path="/shop/db"}`)
		}
	})
}

func TestMissedHeartbeatsAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stuck := &supervisortest.Child{Beat: time.Second, BeatFor: time.Minute}
		s := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "feed", Run: stuck.Run, Heartbeat: 10 * time.Second, Backoff: child.Constant(time.Hour)},
		}}, coppiceprom.Spec{})
		time.Sleep(5 * time.Minute)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_heartbeats_missed_total{path="/shop/feed"}`])
		require.EqualValues(t, 1, got[`coppice_child_failures_total{error_type="error",path="/shop/feed"}`])
	})
}

func TestAbandonedRunsCountUntilTheyReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const (
			static  = `coppice_runs_abandoned{path="/shop/db"}`
			dynamic = `coppice_runs_abandoned{path="/shop/*"}`
		)
		release := make(chan struct{})
		hang := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			<-release
			return nil
		}
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: hang}}}, coppiceprom.Spec{})
		for range 2 {
			require.NoError(t, s.StartChild(t.Context(), child.Spec{Name: "conn", Run: hang}))
			require.Error(t, s.RemoveChild(t.Context(), "conn"))
		}
		_ = s.RestartChild(t.Context(), "db")
		got := s.scrape()
		require.EqualValues(t, 1, got[static])
		require.EqualValues(t, 2, got[dynamic], "the tree does not show these any more")
		late := prometheus.NewPedanticRegistry()
		late.MustRegister(coppiceprom.New(s.Supervisor, coppiceprom.Spec{}))
		require.EqualValues(t, 1, scrape(t, late)[static], "the tree shows this one to a collector that is made later")
		_ = s.Stop(t.Context())
		require.EqualValues(t, 2, s.scrape()[static])
		close(release)
		got = s.scrape()
		require.Zero(t, got[static])
		require.Zero(t, got[dynamic])
	})
}

func TestStartsAndStopsAreMeasured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		late := &supervisortest.Child{ReadyAfter: 2 * time.Second, StopAfter: child.Forever}
		fails := &supervisortest.Child{ReadyAfter: time.Second, StopAfter: 3 * time.Second, FailStarts: 3}
		s := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "late", Run: late.Run, StopTimeout: 4 * time.Second},
			{Name: "fails", Run: fails.Run, RetryStart: true},
		}}, coppiceprom.Spec{})
		_ = s.Stop(context.Background())
		late.Release()
		got := s.scrape()
		require.EqualValues(t, 2, got[`coppice_child_start_duration_seconds_count{supervisor="/shop"}`], "a start that failed is not measured")
		require.EqualValues(t, 2+1, got[`coppice_child_start_duration_seconds_sum{supervisor="/shop"}`])
		require.EqualValues(t, 2, got[`coppice_child_stop_duration_seconds_count{supervisor="/shop"}`])
		require.EqualValues(t, 4+3, got[`coppice_child_stop_duration_seconds_sum{supervisor="/shop"}`], "an abandoned run counts with its timeout")
	})
}

func TestStartsAndStopsCountForTheirSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &supervisortest.Child{ReadyAfter: 2 * time.Second, StopAfter: 3 * time.Second}
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "slow", Run: slow.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}}, coppiceprom.Spec{})
		require.NoError(t, s.RestartChild(t.Context(), "jobs/slow"))
		got := s.scrape()
		require.EqualValues(t, 2, got[`coppice_child_start_duration_seconds_count{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 4, got[`coppice_child_start_duration_seconds_sum{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 1, got[`coppice_child_stop_duration_seconds_count{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 3, got[`coppice_child_stop_duration_seconds_sum{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 1, got[`coppice_child_start_duration_seconds_count{supervisor="/shop"}`], "jobs")
		require.EqualValues(t, 2, got[`coppice_child_start_duration_seconds_sum{supervisor="/shop"}`])
		require.EqualValues(t, 0, got[`coppice_child_stop_duration_seconds_count{supervisor="/shop"}`])
	})
}

func TestReadyAfterUnreadyIsNoStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: func(ctx child.Context) error {
			time.Sleep(time.Second)
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			time.Sleep(time.Second)
			_ = ctx.Ready()
			<-ctx.Done()
			return nil
		}}}}, coppiceprom.Spec{})
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, s.scrape()[`coppice_child_start_duration_seconds_count{supervisor="/shop"}`])
	})
}

func TestCloseEndsTheCounting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}}, coppiceprom.Spec{})
		db.end(errBoom)
		synctest.Wait()
		s.collector.Close()
		s.collector.Close()
		db.end(errBoom)
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_child_restarts_total{path="/shop/db"}`])
		require.Equal(t, []string{"running"}, got.state("coppice_child_state", `path="/shop/db"`))
	})
}
