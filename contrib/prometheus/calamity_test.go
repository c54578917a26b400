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
	"github.com/coppice-go/coppice/child/gate"
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
	const often, term = 50 * time.Millisecond, 500 * time.Millisecond
	hangs := &supervisortest.Child{StopAfter: child.Forever}
	t.Cleanup(hangs.Release)
	asked, over := make(chan struct{}, 1), make(chan struct{}) // of the stuck release; over is closed when the test ends

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
		{Name: "sweep", Run: newSweep(errBoom).Run},
		{Name: "nobody", Run: gate.New(gate.Spec{Name: "/shop/nobody", Elector: away{term}, Run: idle, Late: gate.Fence}).Run},
		{Name: "flaky", Run: gate.New(gate.Spec{Name: "/shop/flaky", Elector: flaky{away{term}}, Run: idle, Late: gate.Fence}).Run},
		{Name: "stuck", Run: gate.New(gate.Spec{Name: "/shop/stuck", Elector: stuck{flaky{away{term}}, asked, over}, Run: failsOnce(), Late: gate.Fence}).Run},
	}})
	old := supervisor.New(supervisor.Spec{Name: "old", Logger: quiet, Drain: time.Hour, Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})

	registry = prometheus.NewPedanticRegistry()
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}), coppiceprom.New(old, coppiceprom.Spec{MaxSeries: 59 + 13}))
	ctx := context.Background()
	for _, r := range []*supervisor.Supervisor{root, old} {
		require.NoError(t, r.Start(ctx))
		t.Cleanup(func() {
			ended, cancel := context.WithCancel(ctx)
			cancel() // which ends the drain, too
			_ = r.Stop(ended)
			_ = r.Wait()
		})
	}
	t.Cleanup(func() { close(over) }) // before the stop
	require.NoError(t, conns.StartChild(ctx, child.Spec{Name: "conn", Run: (&supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}).Run}))
	require.Error(t, root.RestartChild(ctx, "hangs"))
	asleep.Suspend(ctx)
	draining := old.Watch(ctx, "/old", supervisor.EventDraining)
	go func() { _ = old.Stop(ctx) }()
	<-draining
	<-asked

	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	t.Cleanup(server.Close)
	return server.URL, registry
}

// away is an engine that gives its lease to nobody.
type away struct{ ttl time.Duration }

func (e away) TTL() time.Duration { return e.ttl }

func (away) Acquire(ctx context.Context, _ string) (gate.Lease, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (away) Holder(context.Context, string) (gate.Holder, error) { return gate.Holder{}, nil }

// flaky is an engine that gives its lease to everybody, and answers no renewal.
type flaky struct{ away }

func (e flaky) Acquire(context.Context, string) (gate.Lease, error) {
	return flakyLease{gate.Term{Sent: gate.Now(), TTL: e.ttl}}, nil
}

type flakyLease struct{ term gate.Term }

func (flakyLease) Token() int64                  { return 1 }
func (l flakyLease) Term() gate.Term             { return l.term }
func (flakyLease) Renew(context.Context) error   { return errBoom }
func (flakyLease) Lost() <-chan struct{}         { return nil }
func (flakyLease) Release(context.Context) error { return nil }

// stuck is an engine that does not answer a release before the test is over.
type stuck struct {
	flaky
	asked chan<- struct{}
	over  <-chan struct{}
}

func (e stuck) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	lease, err := e.flaky.Acquire(ctx, name)
	return stuckLease{lease, e}, err
}

type stuckLease struct {
	gate.Lease
	of stuck
}

func (l stuckLease) Release(context.Context) error {
	select {
	case l.of.asked <- struct{}{}:
	default:
	}
	<-l.of.over
	return nil
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
