package coppiceprom_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// crowd is a tree with n dynamic children. A value sent to fail ends one of them.
func crowd(t testing.TB, n int, fail <-chan struct{}) (root, conns *supervisor.Supervisor) {
	t.Helper()
	conns = supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Constant(time.Hour)})
	root = supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{
		{Name: "db", Run: idle}, {Name: "conns", Run: conns.Run},
	}})
	if err := root.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-fail:
			return errBoom
		}
	}
	specs := make([]child.Spec, n)
	for i := range specs {
		specs[i] = child.Spec{Name: fmt.Sprint("conn-", i), Run: run}
	}
	if err := conns.StartChild(context.Background(), specs...); err != nil {
		t.Fatal(err)
	}
	return root, conns
}

func TestAHundredThousandChildrenHaveAsManySeriesAsOne(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 100,000 children")
	}
	sizes := map[int]int{}
	for _, n := range []int{1, 100_000} {
		root, _ := crowd(t, n, nil)
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
		began := time.Now()
		got := scrape(t, registry)
		t.Logf("%d children: %d series, a scrape takes %v", n, got.size(), time.Since(began))
		require.EqualValues(t, n, got[`coppice_children{state="running",supervisor="/shop/conns"}`])
		sizes[n] = got.size()
	}
	require.Equal(t, sizes[1], sizes[100_000])
	require.Less(t, sizes[1], 200)
}

// At once, a hundred thousand children fail behind one fault. What could not be counted is
// counted as lost.
func TestAStormIsCountedOrReportedAsLost(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 100,000 children")
	}
	const n = 100_000
	fail := make(chan struct{})
	root, conns := crowd(t, n, fail)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
	close(fail)
	require.Eventually(t, func() bool { return len(conns.Children(child.Waiting)) == n }, time.Minute, 10*time.Millisecond)
	require.NoError(t, root.Stop(context.Background()))
	got := scrape(t, registry)
	failures := got[`coppice_child_failures_total{error_type="error",path="/shop/conns/*"}`]
	restarts := got[`coppice_child_restarts_total{path="/shop/conns/*"}`]
	lost := got["coppice_events_lost_total"]
	t.Logf("%v failures, %v restarts, %v events lost", failures, restarts, lost)
	require.GreaterOrEqual(t, failures+restarts+lost, 2.0*n)
	require.LessOrEqual(t, failures, float64(n))
	require.LessOrEqual(t, restarts, float64(n))
}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint("dynamic=", n), func(b *testing.B) {
			root, _ := crowd(b, n, nil)
			registry := prometheus.NewRegistry()
			registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{}))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("declared=", min(n, 10_000)), func(b *testing.B) {
			spec := supervisor.Spec{Name: "shop", Logger: quiet}
			for i := range min(n, 10_000) {
				spec.Children = append(spec.Children, child.Spec{Name: fmt.Sprint("c", i), Run: idle})
			}
			root := supervisor.New(spec)
			registry := prometheus.NewRegistry()
			registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{MaxSeries: 1_000_000}))
			if err := root.Start(context.Background()); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = root.Stop(context.Background()) }()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
