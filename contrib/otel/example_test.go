package coppiceotel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The zero Spec uses the global providers, which the program may set up as it likes.
func Example() {
	spans := tracetest.NewSpanRecorder() // in a program, an exporter
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))

	dials := 0
	db := func(ctx child.Context) error {
		if dials++; dials == 1 {
			return errors.New("no route to host")
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	tel := coppiceotel.New(coppiceotel.Spec{})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Around:   tel.Around,
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "db", Run: db, RetryStart: true}},
	})
	stop := tel.Watch(root)
	ctx := context.Background()
	fmt.Println(root.Start(ctx), root.Stop(ctx))
	stop()
	for _, span := range spans.Ended() {
		fmt.Println(span.Name(), span.Status().Code)
	}
	// Output:
	// <nil> <nil>
	// coppice.child.start Error
	// coppice.child.start Unset
	// coppice.tree.start Unset
	// coppice.child.stop Unset
	// coppice.supervisor.stop Unset
}

// Spans that a child begins before it calls Ready are below the span of its start. Later
// ones begin a trace of their own; Link leads from them to the start.
func ExampleTelemetry_Around() {
	recorder := tracetest.NewSpanRecorder()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	tracer := tracers.Tracer("db")
	db := func(ctx child.Context) error {
		_, dial := tracer.Start(ctx, "dial")
		dial.End()
		if err := ctx.Ready(); err != nil {
			return err
		}
		_, poll := tracer.Start(ctx, "poll", trace.WithLinks(coppiceotel.Link(ctx)))
		poll.End()
		<-ctx.Done()
		return nil
	}
	tel := coppiceotel.New(coppiceotel.Spec{TracerProvider: tracers})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Around:   supervisor.Arounds(tel.Around), // with others, such as one that sets pprof labels
		Children: []child.Spec{{Name: "db", Run: db}},
	})
	defer tel.Watch(root)()
	_ = root.Start(context.Background())
	_ = root.Stop(context.Background())

	names := make(map[trace.SpanID]string)
	for _, span := range recorder.Ended() {
		names[span.SpanContext().SpanID()] = span.Name()
	}
	for _, span := range recorder.Ended() {
		switch span.Name() {
		case "dial":
			fmt.Println("dial is below", names[span.Parent().SpanID()])
		case "poll":
			fmt.Println("poll has a parent:", span.Parent().IsValid())
			fmt.Println("poll links to", names[span.Links()[0].SpanContext.SpanID()])
		}
	}
	// Output:
	// dial is below coppice.child.start
	// poll has a parent: false
	// poll links to coppice.child.start
}

// Children of an Independent supervisor are counted together, unless SeriesFor asks for
// series of their own.
func ExampleSpec_seriesFor() {
	reader := sdkmetric.NewManualReader()
	tel := coppiceotel.New(coppiceotel.Spec{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
		SeriesFor:     func(path string) bool { return strings.HasPrefix(path, "/shop/tenants/") },
		MaxSeries:     1000,
		DegradedAbove: 0.05,
	})
	worker := child.Plain(func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	pool := func() *supervisor.Supervisor {
		return supervisor.New(supervisor.Spec{
			Strategy: strategy.Independent,
			Children: []child.Spec{{Name: "acme", Run: worker}, {Name: "zoo", Run: worker}},
		})
	}
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "tenants", Run: pool().Run}, {Name: "conns", Run: pool().Run}},
	})
	defer tel.Watch(root)()
	_ = root.Start(context.Background())
	var found metricdata.ResourceMetrics
	_ = reader.Collect(context.Background(), &found)
	for _, m := range found.ScopeMetrics[0].Metrics {
		if m.Name == "coppice.child.ready" {
			for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
				path, _ := point.Attributes.Value("coppice.child.path")
				fmt.Println(path.AsString(), point.Value)
			}
		}
	}
	_ = root.Stop(context.Background())
	// Unordered output:
	// /shop/tenants 1
	// /shop/tenants/acme 1
	// /shop/tenants/zoo 1
	// /shop/conns 1
}
