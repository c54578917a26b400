package coppiceotel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMetricsShowWhatTheTreeIsDoing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail, unready := make(chan any), make(chan struct{})
		api := func(ctx child.Context) error {
			_ = ctx.Ready()
			select {
			case <-unready:
				ctx.Unready(errBoom)
			case <-ctx.Done():
			}
			<-ctx.Done()
			return nil
		}
		root := r.watch(t, supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: failing(fail), Backoff: child.Constant(time.Minute)},
			{Name: "api", Run: api},
			{Name: "migrate", Run: child.Task(func(context.Context) error { return nil })},
			{Name: "optional", Run: func(child.Context) error { return child.ErrIgnore }},
		}})
		before := r.series(t)
		require.Equal(t, 1., before["coppice.tree.state{coppice.child.state=stopped}"])
		require.Equal(t, 0., before["coppice.tree.ready{}"])
		require.NoError(t, root.Start(bg))
		synctest.Wait()

		up := r.series(t)
		for series, want := range map[string]float64{
			"coppice.tree.ready{}":                                                           1,
			"coppice.tree.draining{}":                                                        0,
			"coppice.tree.state{coppice.child.state=running}":                                1,
			"coppice.child.ready{coppice.child.path=/shop/db}":                               1,
			"coppice.child.ready{coppice.child.path=/shop/migrate}":                          1,
			"coppice.child.ready{coppice.child.path=/shop/optional}":                         1,
			"coppice.child.state{coppice.child.path=/shop/db,coppice.child.state=running}":   1,
			"coppice.child.state{coppice.child.path=/shop/db,coppice.child.state=waiting}":   0,
			"coppice.child.count{coppice.child.state=running,coppice.supervisor.path=/shop}": 2,
			"coppice.child.count{coppice.child.state=done,coppice.supervisor.path=/shop}":    1,
			"coppice.child.count{coppice.child.state=stopped,coppice.supervisor.path=/shop}": 1,
			"coppice.child.in_trouble{coppice.supervisor.path=/shop}":                        0,
			"coppice.child.restarts{coppice.child.path=/shop/db}":                            0,
			"coppice.child.failures{coppice.child.path=/shop/db,error.type=panic}":           0,
			"coppice.child.start.duration{coppice.supervisor.path=/shop}":                    3, // db, api, migrate
			"coppice.supervisor.gave_up{coppice.supervisor.path=/shop}":                      0,
			"coppice.events.lost{}":                                                          0,
			"coppice.series.omitted{}":                                                       0,
		} {
			require.Contains(t, up, series)
			require.Equal(t, want, up[series], series)
		}
		require.NotContains(t, up, "coppice.child.last_failure{coppice.child.path=/shop/db}")

		at := time.Now()
		fail <- errBoom
		unready <- struct{}{}
		synctest.Wait()
		down := r.series(t)
		for series, want := range map[string]float64{
			"coppice.tree.ready{}":                                                         0,
			"coppice.child.ready{coppice.child.path=/shop/db}":                             0,
			"coppice.child.ready{coppice.child.path=/shop/api}":                            0,
			"coppice.child.state{coppice.child.path=/shop/db,coppice.child.state=waiting}": 1,
			"coppice.child.in_trouble{coppice.supervisor.path=/shop}":                      2,
			"coppice.child.restarts{coppice.child.path=/shop/db}":                          1,
			"coppice.child.failures{coppice.child.path=/shop/db,error.type=error}":         1,
			"coppice.child.last_failure{coppice.child.path=/shop/db}":                      float64(at.Unix()),
		} {
			require.Equal(t, want, down[series], series)
		}
		time.Sleep(2 * time.Minute)
		fail <- "panics"
		synctest.Wait()
		again := r.series(t)
		require.Equal(t, 2., again["coppice.child.restarts{coppice.child.path=/shop/db}"])
		require.Equal(t, 1., again["coppice.child.failures{coppice.child.path=/shop/db,error.type=panic}"])

		require.NoError(t, root.Stop(bg))
		over := r.series(t)
		require.Equal(t, 1., over["coppice.tree.state{coppice.child.state=stopped}"])
		require.Equal(t, 0., over["coppice.child.ready{coppice.child.path=/shop/migrate}"])
		require.Equal(t, 2., over["coppice.child.restarts{coppice.child.path=/shop/db}"], "counters go on")
		require.NoError(t, root.Start(bg))
		fail <- errBoom
		synctest.Wait()
		require.Equal(t, 3., r.series(t)["coppice.child.restarts{coppice.child.path=/shop/db}"])
	})
}

func TestASupervisorThatStartsIsNotReadyAndNorIsAChildThatHealthDoesNotCover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{SeriesFor: func(string) bool { return true }})
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "slow", Run: slow(time.Minute, 0)}}})
		one := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "idle", Run: idle}, {Name: "stopped", Run: idle}}})
		root := r.watch(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		started := make(chan error, 1)
		go func() { started <- root.Start(bg) }()
		synctest.Wait()
		found := r.series(t)
		require.Equal(t, 0., found["coppice.child.ready{coppice.child.path=/shop/jobs}"])
		require.Equal(t, 0., found["coppice.child.ready{coppice.child.path=/shop/jobs/slow}"])
		require.NoError(t, <-started)
		require.Equal(t, 1., r.series(t)["coppice.child.ready{coppice.child.path=/shop/jobs}"])

		require.NoError(t, root.StartChild(bg, child.Spec{Name: "one", Run: one.Run}))
		require.NoError(t, root.StopChild(bg, "one/stopped"))
		synctest.Wait()
		found = r.series(t)
		require.Equal(t, 1., found["coppice.child.ready{coppice.child.path=/shop/one}"])
		require.Equal(t, 1., found["coppice.child.ready{coppice.child.path=/shop/one/idle}"])
		require.Contains(t, found, "coppice.child.ready{coppice.child.path=/shop/one/stopped}")
		require.Equal(t, 0., found["coppice.child.ready{coppice.child.path=/shop/one/stopped}"])
	})
}

func TestAChildThatStartsAgainAfterAFailureIsInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		tries := 0
		flaky := func(ctx child.Context) error {
			if tries++; tries == 2 {
				time.Sleep(time.Minute)
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			if tries == 1 {
				return errBoom
			}
			<-ctx.Done()
			return nil
		}
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: flaky}}})
		trouble := func() float64 {
			synctest.Wait()
			return r.series(t)["coppice.child.in_trouble{coppice.supervisor.path=/shop}"]
		}
		require.Equal(t, 1., trouble(), "it starts after a failure")
		require.Equal(t, 1., trouble())
		time.Sleep(2 * time.Minute)
		require.Equal(t, 0., trouble(), "it has been ready since")
		tries = 1
		go func() { _ = root.RestartChild(bg, "db") }()
		require.Equal(t, 0., trouble(), "it starts because of a request")
		time.Sleep(2 * time.Minute)
	})
}

// Both modules of metrics, the page and the command have one table of what is trouble.
func TestAChildWithAbandonedRunsIsNotInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		runs := 0
		deaf := func(ctx child.Context) error {
			runs++
			first := runs == 1
			err := idle(ctx)
			if first {
				time.Sleep(time.Minute) // longer than its StopTimeout
			}
			return err
		}
		defer time.Sleep(time.Minute)
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "deaf", Run: deaf, StopTimeout: time.Second}}})
		require.Error(t, root.RestartChild(bg, "deaf"), "it is abandoned")
		synctest.Wait()
		found := r.series(t)
		require.Equal(t, 1., found["coppice.runs.abandoned{coppice.child.path=/shop/deaf}"])
		require.Equal(t, 0., found["coppice.child.in_trouble{coppice.supervisor.path=/shop}"])
	})
}

func TestDurationsAreThoseOfStartsAndStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		unready := make(chan struct{})
		wavers := func(ctx child.Context) error {
			_ = ctx.Ready()
			<-unready
			ctx.Unready(errBoom)
			time.Sleep(time.Minute)
			_ = ctx.Ready()
			<-ctx.Done()
			return nil
		}
		hangs := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			time.Sleep(20 * time.Second)
			return nil
		}
		fails := func(ctx child.Context) error {
			if ctx.Restarts() == 0 {
				_ = ctx.Ready()
			}
			return errBoom
		}
		root := r.start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "slow", Run: slow(3*time.Second, 2*time.Second)},
			{Name: "wavers", Run: wavers},
			{Name: "hangs", Run: hangs, StopTimeout: 7 * time.Second},
			{Name: "fails", Run: fails, Backoff: child.Constant(time.Hour)},
		}})
		unready <- struct{}{}
		time.Sleep(5 * time.Minute)
		require.Error(t, root.Stop(bg))
		time.Sleep(time.Minute)
		sums := make(map[string]metricdata.HistogramDataPoint[float64])
		for _, scope := range r.collect(t).ScopeMetrics {
			for _, m := range scope.Metrics {
				if data, ok := m.Data.(metricdata.Histogram[float64]); ok {
					require.Len(t, data.DataPoints, 1)
					sums[m.Name] = data.DataPoints[0]
				}
			}
		}
		starts, stops := sums["coppice.child.start.duration"], sums["coppice.child.stop.duration"]
		require.Equal(t, uint64(4), starts.Count, "being ready again is not a start")
		require.Equal(t, 3., starts.Sum)
		require.Equal(t, uint64(3), stops.Count, "the cancelled restart of a child that does not run is not a stop")
		require.Equal(t, 9., stops.Sum, "one has returned after 2 s, one was abandoned after 7 s")
	})
}

func TestSupervisorsHaveBudgetSuspendedAndGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		jobs := supervisor.New(supervisor.Spec{
			Intensity: strategy.AtMost(2, time.Minute),
			Children:  []child.Spec{{Name: "mail", Run: failing(fail)}},
		})
		root := r.start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		fail <- errBoom
		jobs.Suspend(bg)
		synctest.Wait()
		found := r.series(t)
		require.Equal(t, .5, found["coppice.restart_budget.used{coppice.supervisor.path=/shop/jobs}"])
		require.NotContains(t, found, "coppice.restart_budget.used{coppice.supervisor.path=/shop}", "no limit")
		require.Equal(t, 1., found["coppice.supervisor.suspended{coppice.supervisor.path=/shop/jobs}"])
		require.Equal(t, 0., found["coppice.supervisor.suspended{coppice.supervisor.path=/shop}"])
		jobs.Resume(bg)
		fail <- errBoom
		fail <- errBoom
		synctest.Wait()
		found = r.series(t)
		require.Equal(t, 1., found["coppice.supervisor.gave_up{coppice.supervisor.path=/shop/jobs}"])
		require.Equal(t, 0., found["coppice.supervisor.gave_up{coppice.supervisor.path=/shop}"])
		require.Equal(t, 3., found["coppice.child.failures{coppice.child.path=/shop/jobs/mail,error.type=error}"])
		require.Equal(t, 1., found["coppice.child.failures{coppice.child.path=/shop/jobs,error.type=error}"])
		require.NoError(t, root.Stop(bg))
	})
}

func TestDynamicChildrenAreCountedTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		fail := make(chan any)
		conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "conns", Run: conns.Run}}})
		for i := range 10 {
			spec := child.Spec{Name: fmt.Sprint("conn-", i), Run: idle}
			if i < 2 {
				spec.Run, spec.Backoff = failing(fail), child.Constant(time.Hour)
			}
			require.NoError(t, conns.StartChild(bg, spec))
		}
		require.NoError(t, root.StartChild(bg, child.Spec{Name: "added", Run: idle}))
		fail <- errBoom
		synctest.Wait()
		found := r.series(t)
		require.Equal(t, 9., found["coppice.child.count{coppice.child.state=running,coppice.supervisor.path=/shop/conns}"])
		require.Equal(t, 1., found["coppice.child.count{coppice.child.state=waiting,coppice.supervisor.path=/shop/conns}"])
		require.Equal(t, 0., found["coppice.supervisor.degraded{coppice.supervisor.path=/shop/conns}"], "a tenth")
		require.Equal(t, 1., found["coppice.child.restarts{coppice.child.path=/shop/conns/*}"])
		require.Equal(t, 10., found["coppice.child.start.duration{coppice.supervisor.path=/shop/conns}"])
		require.Equal(t, 2., found["coppice.child.start.duration{coppice.supervisor.path=/shop}"])
		for series := range found {
			require.NotContains(t, series, "conn-")
			require.NotContains(t, series, "added")
		}
		fail <- errBoom
		synctest.Wait()
		require.Equal(t, 1., r.series(t)["coppice.supervisor.degraded{coppice.supervisor.path=/shop/conns}"])
		require.Equal(t, 0., found["coppice.series.omitted{}"], "they are not missing")
	})
}

func TestSeriesForAsksForDynamicChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{SeriesFor: func(path string) bool {
			if strings.HasSuffix(path, "panics") {
				panic("no")
			}
			return strings.HasPrefix(path, "/shop/tenants/")
		}})
		fail := make(chan any)
		tenants := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "tenants", Run: tenants.Run}}})
		acme := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: failing(fail)}}})
		require.NoError(t, tenants.StartChild(bg, child.Spec{Name: "acme", Run: acme.Run}, child.Spec{Name: "panics", Run: idle}))
		fail <- errBoom
		synctest.Wait()
		found := r.series(t)
		require.Equal(t, 1., found["coppice.child.restarts{coppice.child.path=/shop/tenants/acme/db}"])
		require.Equal(t, 1., found["coppice.child.ready{coppice.child.path=/shop/tenants/acme}"])
		require.Equal(t, 1., found["coppice.child.count{coppice.child.state=running,coppice.supervisor.path=/shop/tenants/acme}"])
		require.NotContains(t, found, "coppice.child.ready{coppice.child.path=/shop/tenants/panics}")

		require.NoError(t, root.RemoveChild(bg, "tenants/acme"))
		synctest.Wait()
		gone := r.series(t)
		for series := range gone {
			require.NotContains(t, series, "acme")
		}
		require.Equal(t, 1., gone["coppice.child.restarts{coppice.child.path=/shop/tenants/*}"], "the sum is the same")
		require.Equal(t, 1., gone["coppice.child.failures{coppice.child.path=/shop/tenants/*,error.type=error}"])
	})
}

func TestSeriesAreLimited(t *testing.T) {
	for _, limit := range []int{1, 100, 200, 1000} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{MaxSeries: limit, SeriesFor: func(string) bool { return true }})
			fail := make(chan any)
			var children []child.Spec
			for i := range 20 {
				children = append(children, child.Spec{Name: fmt.Sprint("c-", i), Run: failing(fail), Backoff: child.Constant(time.Second)})
			}
			nested := supervisor.New(supervisor.Spec{Children: children})
			root := r.start(t, supervisor.Spec{Children: append(children, child.Spec{Name: "nested", Run: nested.Run})})
			for range 40 {
				fail <- errBoom
			}
			for i := range 20 {
				require.NoError(t, root.StartChild(bg, child.Spec{Name: fmt.Sprint("d-", i), Run: idle}))
			}
			synctest.Wait()
			found := r.series(t)
			require.LessOrEqual(t, len(found), max(limit, 10+19))
			missing := found["coppice.series.omitted{}"]
			require.Equal(t, max(0., 10+19+60*13+13+19-float64(limit)) > 0, missing > 0, "%v missing", missing)
			var failures, children1 float64
			for series, v := range found {
				if strings.HasPrefix(series, "coppice.child.failures{") {
					failures += v
				}
				if strings.HasPrefix(series, "coppice.child.count{") {
					children1 += v
				}
			}
			require.Equal(t, 40., failures, "each is counted once")
			require.Equal(t, 61., children1)
			require.Equal(t, found, r.series(t), "the same ones each time")
		})
	}
}

func TestAChildNamedLikeTheRestIsCountedThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		long := strings.Repeat("x", 2000)
		r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "*", Run: idle}, {Name: long, Run: idle}}})
		found := r.series(t)
		require.NotContains(t, found, "coppice.child.ready{coppice.child.path=/shop/*}")
		require.Equal(t, 2., found["coppice.child.count{coppice.child.state=running,coppice.supervisor.path=/shop}"])
	})
}

func TestADeclaredChildOfAnUpgradeHasSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		spec := supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "old", Run: idle}}}
		root := r.start(t, spec)
		require.Contains(t, r.series(t), "coppice.child.ready{coppice.child.path=/shop/old}")
		spec.Children = []child.Spec{{Name: "new", Run: idle}}
		require.NoError(t, root.Upgrade(spec))
		require.NoError(t, root.RemoveChild(bg, "old"))
		require.NoError(t, root.RestartChild(bg, "new"))
		found := r.series(t)
		require.NotContains(t, found, "coppice.child.ready{coppice.child.path=/shop/old}")
		require.Contains(t, found, "coppice.child.ready{coppice.child.path=/shop/new}")
	})
}

func TestTheEndOfAWatchEndsTheSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "db", Run: idle}}})
		stop := r.Watch(root)
		again := r.Watch(root)
		require.NoError(t, root.Start(bg))
		require.NotEmpty(t, r.series(t))
		again()
		require.Contains(t, r.series(t), "coppice.tree.ready{}", "it was watched already")
		stop()
		require.NotContains(t, r.series(t), "coppice.tree.ready{}")
		stop = r.Watch(root)
		require.Equal(t, 1., r.series(t)["coppice.tree.ready{}"])
		stop()
		require.NoError(t, root.Stop(bg))
		r.Watch(nil)()
	})
}

func TestOnlyErrorsThatWatchCannotAvoidAreReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		tel := coppiceotel.New(coppiceotel.Spec{MeterProvider: meters})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "db", Run: hostile}}, Backoff: child.Constant(time.Second)})
		defer tel.Watch(root)()
		require.NoError(t, root.Start(bg))
		time.Sleep(10 * time.Second)
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(bg, &all))
		require.NotEmpty(t, all.ScopeMetrics)
		require.NoError(t, meters.Shutdown(bg), "before the tree")
		time.Sleep(10 * time.Second)
		require.NoError(t, root.Stop(bg))
	})
}

// hostile is a child whose errors have methods that panic.
func hostile(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	ctx.Unready(spiteful{})
	if child.Sleep(ctx, time.Second) {
		return nil
	}
	return spiteful{}
}

type spiteful struct{}

func (spiteful) Error() string { panic("Error") }
func (spiteful) Is(error) bool { panic("Is") }
func (spiteful) As(any) bool   { panic("As") }
func (spiteful) Unwrap() error { panic("Unwrap") }

// A nosy error collects the metrics each time that it is compared.
type nosy struct{ collect func() }

func (nosy) Error() string         { return "nosy" }
func (n nosy) Is(error) bool       { n.collect(); return false }
func (n nosy) As(any) bool         { n.collect(); return false }
func (n nosy) Unwrap() (err error) { n.collect(); return nil }

func TestNoMethodOfAnErrorIsCalledUnderALock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec, reader := newOff(), sdkmetric.NewManualReader()
		spec.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		r := &rig{Telemetry: coppiceotel.New(spec), reader: reader}
		fail := make(chan any)
		r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: failing(fail), Backoff: child.Constant(time.Hour)}}})
		fail <- nosy{func() { r.collect(t) }}
		synctest.Wait()
		require.Equal(t, 1., r.series(t)["coppice.child.failures{coppice.child.path=/shop/db,error.type=error}"])
	})
}
