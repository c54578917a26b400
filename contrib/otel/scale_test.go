package coppiceotel_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestTheNumberOfSeriesDoesNotGrowWithDynamicChildren(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	r := newRig(coppiceotel.Spec{})
	conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "conns", Run: conns.Run}}})
	few := len(r.series(t))
	specs := make([]child.Spec, n)
	for i := range specs {
		specs[i] = child.Spec{Name: fmt.Sprint("conn-", i), Run: idle}
	}
	require.NoError(t, conns.StartChild(bg, specs...))
	require.NoError(t, root.StopChild(bg, "conns/conn-0"))
	r.collect(t)
	began := time.Now()
	r.collect(t)
	took := time.Since(began)
	found := r.series(t)
	require.LessOrEqual(t, len(found), few+8, "the counters of conns/*, lost events, and a histogram")
	require.Equal(t, float64(n-1), found["coppice.child.count{coppice.child.state=running,coppice.supervisor.path=/shop/conns}"])
	require.Zero(t, found["coppice.series.omitted{}"])
	t.Logf("%d children: %d series, a collection takes %v", n, len(found), took)
	require.Less(t, took, 5*time.Second)
}

// BenchmarkRestart measures what watching costs a restart that RestartChild requests.
func BenchmarkRestart(b *testing.B) {
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(nothing{}))
	unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	loggers := sdklog.NewLoggerProvider()
	off := newOff()
	for _, c := range []struct {
		name   string
		watch  bool
		spec   coppiceotel.Spec
		around bool
	}{
		{"unwatched", false, off, false},
		{"metrics", true, coppiceotel.Spec{MeterProvider: meters, TracerProvider: off.TracerProvider, LoggerProvider: off.LoggerProvider}, false},
		{"logs", true, coppiceotel.Spec{MeterProvider: off.MeterProvider, TracerProvider: off.TracerProvider, LoggerProvider: loggers}, false},
		{"spans", true, coppiceotel.Spec{MeterProvider: off.MeterProvider, TracerProvider: tracers, LoggerProvider: off.LoggerProvider}, false},
		{"spans and Around", true, coppiceotel.Spec{MeterProvider: off.MeterProvider, TracerProvider: tracers, LoggerProvider: off.LoggerProvider}, true},
		{"spans and Around, not sampled", true, coppiceotel.Spec{MeterProvider: off.MeterProvider, TracerProvider: unsampled, LoggerProvider: off.LoggerProvider}, true},
		{"everything", true, coppiceotel.Spec{MeterProvider: meters, TracerProvider: tracers, LoggerProvider: loggers}, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			tel := coppiceotel.New(c.spec)
			spec := supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "db", Run: idle}}}
			if c.around {
				spec.Around = tel.Around
			}
			root := supervisor.New(spec)
			if c.watch {
				defer tel.Watch(root)()
			}
			require.NoError(b, root.Start(bg))
			b.ReportAllocs()
			for b.Loop() {
				if err := root.RestartChild(bg, "db"); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			require.NoError(b, root.Stop(bg))
		})
	}
}

// nothing is a span processor that does nothing, so that only the SDK itself is measured.
type nothing struct{}

func (nothing) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (nothing) OnEnd(sdktrace.ReadOnlySpan)                     {}
func (nothing) Shutdown(context.Context) error                  { return nil }
func (nothing) ForceFlush(context.Context) error                { return nil }
