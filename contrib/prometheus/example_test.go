package coppiceprom_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/supervisor"
)

// A child of the tree serves the metrics of the tree.
func Example() {
	ctx := context.Background()
	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	web := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
		return &http.Server{Addr: "127.0.0.1:0", Handler: mux, ReadHeaderTimeout: 5 * time.Second}, nil
	}})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "web", Run: web.Run}},
	})
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{})) // before the start, so that all is counted
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	addr, _ := web.Addr.Get(ctx)
	resp, err := http.Get("http://" + addr.String() + "/metrics")
	if err != nil {
		fmt.Println(err)
		return
	}
	page, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "coppice_child_ready") || strings.HasPrefix(line, "coppice_child_restarts") {
			fmt.Print(line)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(root.Stop(ctx))
	// Output:
	// coppice_child_ready{path="/shop/web",tree="shop"} 1
	// coppice_child_restarts_total{path="/shop/web",tree="shop"} 0
	// <nil>
}

// The connections of a server are counted together. Those of one customer have series of
// their own here.
func ExampleSpec_seriesFor() {
	ctx := context.Background()
	conns := supervisor.New(supervisor.Spec{})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "conns", Run: conns.Run}},
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(coppiceprom.New(root, coppiceprom.Spec{
		SeriesFor: func(path string) bool { return strings.HasPrefix(path, "/shop/conns/bank-") },
		MaxSeries: 1000,
	}))
	_ = root.Start(ctx)
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	for _, name := range []string{"bank-1", "cafe-1", "cafe-2"} {
		_ = conns.StartChild(ctx, child.Spec{Name: name, Run: idle, Restart: child.Temporary})
	}

	families, _ := registry.Gather()
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "coppice_child_restarts_total" {
				fmt.Println(m.GetLabel()[0].GetValue())
			}
			if family.GetName() == "coppice_children" && m.GetGauge().GetValue() > 0 {
				fmt.Println(m.GetGauge().GetValue(), m.GetLabel()[0].GetValue(), "in", m.GetLabel()[1].GetValue())
			}
		}
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// /shop/conns
	// /shop/conns/*
	// /shop/conns/bank-1
	// 1 running in /shop
	// 3 running in /shop/conns
	// <nil>
}

// The threshold of "degraded" and the buckets of the histograms can be set.
func ExampleSpec() {
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler)})
	metrics := coppiceprom.New(root, coppiceprom.Spec{
		DegradedAbove: 0.25,                 // a quarter of the dynamic children in trouble
		Buckets:       []float64{.1, 1, 10}, // seconds
	})
	defer metrics.Close() // only needed if the tree outlives the collector
	registry := prometheus.NewRegistry()
	fmt.Println(registry.Register(metrics))
	fmt.Println(registry.Register(metrics))
	// Output:
	// <nil>
	// duplicate metrics collector registration attempted
}
