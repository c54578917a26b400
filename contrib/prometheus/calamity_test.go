package coppiceprom_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// calamity serves the metrics of two trees in which everything goes wrong at once, again and
// again, until the test ends. The second drains and has more children than fit. It runs in
// real time, since a real Prometheus may scrape it.
func calamity(t *testing.T) (url string, registry *prometheus.Registry) {
	t.Helper()
	const often = 50 * time.Millisecond
	hangs := &supervisortest.Child{StopAfter: child.Forever}
	t.Cleanup(hangs.Release)

	desperate := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{
		{Name: "job", Run: (&supervisortest.Child{RunFor: often, EndWith: errBoom}).Run},
	}})
	busy := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(1, time.Hour), Children: []child.Spec{
		{Name: "once", Run: (&supervisortest.Child{RunFor: often, EndWith: errBoom}).Run, Restart: child.Temporary},
		{Name: "twice", Run: failsOnce()},
	}})
	conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Constant(time.Hour)})
	asleep := supervisor.New(supervisor.Spec{})
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
		{Name: `"quo\ted" <b>{é}`, Run: idle},
		{Name: "panics", Run: (&supervisortest.Child{RunFor: often, EndWith: supervisortest.Panic("oops")}).Run, Backoff: child.Constant(often)},
		{Name: "hung", Run: (&supervisortest.Child{Beat: time.Hour}).Run, Heartbeat: often, Backoff: child.Constant(often)},
		{Name: "hangs", Run: hangs.Run, StopTimeout: time.Millisecond},
		{Name: "down", Run: (&supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}).Run, Backoff: child.Constant(time.Hour)},
		{Name: "desperate", Run: desperate.Run, Backoff: child.Constant(often)},
		{Name: "busy", Run: busy.Run},
		{Name: "conns", Run: conns.Run},
		{Name: "asleep", Run: asleep.Run},
	}})
	old := supervisor.New(supervisor.Spec{Name: "old", Logger: quiet, Drain: time.Hour, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})

	registry = prometheus.NewPedanticRegistry()
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}), coppiceprom.New(old, coppiceprom.Spec{MaxSeries: 59 + 13}))
	ctx := context.Background()
	for _, r := range []*supervisor.Supervisor{root, old} {
		require.NoError(t, r.Start(ctx))
		t.Cleanup(func() {
			over, cancel := context.WithCancel(ctx)
			cancel() // which ends the drain, too
			_ = r.Stop(over)
			_ = r.Wait()
		})
	}
	require.NoError(t, conns.StartChild(ctx, child.Spec{Name: "conn", Run: (&supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}).Run}))
	require.Error(t, root.RestartChild(ctx, "hangs"))
	asleep.Suspend(ctx)
	draining := old.Watch(ctx, "/old", supervisor.EventDraining)
	go func() { _ = old.Stop(ctx) }()
	<-draining

	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(server.Close)
	return server.URL, registry
}

// failsOnce returns a child that fails in its first run only.
func failsOnce() func(child.Context) error {
	failed := false
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil || !failed {
			failed = true
			return errBoom
		}
		<-ctx.Done()
		return nil
	}
}
