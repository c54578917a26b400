package coppiceotel_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// stuck is an exporter of spans and of log records that blocks until it is released.
type stuck struct {
	release chan struct{}
	calls   atomic.Int32
}

func (s *stuck) wait(context.Context) error {
	s.calls.Add(1)
	<-s.release
	return nil
}

func (s *stuck) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error { return s.wait(ctx) }
func (s *stuck) Export(ctx context.Context, _ []sdklog.Record) error              { return s.wait(ctx) }
func (s *stuck) Shutdown(context.Context) error                                   { return nil }
func (s *stuck) ForceFlush(context.Context) error                                 { return nil }

// With the simplest processors, each span and each record is exported where it is ended or
// emitted. That is the worst that an exporter can do.
func TestExportersThatBlockDelayNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &stuck{release: make(chan struct{})}
		tel := coppiceotel.New(coppiceotel.Spec{
			TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(s)),
			LoggerProvider: sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(s))),
		})
		fail := make(chan any)
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Around: tel.Around, Intensity: strategy.Unlimited(), Children: []child.Spec{
			{Name: "db", Run: failing(fail)}, {Name: "api", Run: idle},
		}})
		stop := tel.Watch(root)
		began := time.Now()
		require.NoError(t, root.Start(bg))
		for range 3000 { // more than the queues hold
			fail <- errBoom
		}
		synctest.Wait()
		require.NoError(t, root.RestartChild(bg, "api"))
		require.Zero(t, time.Since(began), "nothing has waited")
		require.NoError(t, root.Stop(bg))
		require.Equal(t, time.Second, time.Since(began), "the end waits for subscribers for a second")
		require.NotZero(t, s.calls.Load())
		close(s.release)
		stop()
	})
}

// What is lost while an exporter blocks must neither keep spans open for ever nor invent a
// start as long as a run.
func TestAfterEventsWereLostSpansAreStillShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &stuck{release: make(chan struct{})}
		seen := tracetest.NewSpanRecorder()
		tel := coppiceotel.New(coppiceotel.Spec{TracerProvider: sdktrace.NewTracerProvider(
			sdktrace.WithSpanProcessor(seen), sdktrace.WithSyncer(s),
		)})
		conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Around: tel.Around, Children: []child.Spec{{Name: "conns", Run: conns.Run}}})
		stop := tel.Watch(root)
		require.NoError(t, root.Start(bg))
		for i := range 3000 {
			require.NoError(t, conns.StartChild(bg, child.Spec{Name: fmt.Sprint(i), Run: idle}))
		}
		time.Sleep(time.Hour)
		close(s.release)
		synctest.Wait()
		s.release = make(chan struct{}) // a subscriber that is quick enough would lose nothing
		require.NoError(t, root.Stop(bg))
		close(s.release)
		synctest.Wait()
		stop()
		for _, span := range seen.Ended() {
			require.Less(t, took(span), time.Minute, "%s %v", span.Name(), span.Attributes())
		}
		require.Equal(t, len(seen.Started()), len(seen.Ended()), "none is left open")
		require.Greater(t, len(seen.Ended()), 3000, "each start")
		require.Less(t, len(seen.Ended()), 6000, "but not each stop")
	})
}

func TestLostEventsAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{SeriesFor: func() func(string) bool {
			first := true
			return func(string) bool {
				if first { // holds up the counter, as a process does that gets no time
					first = false
					time.Sleep(time.Second)
				}
				return false
			}
		}()})
		fail := make(chan any)
		root := r.start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "db", Run: failing(fail)}}})
		for range 3000 {
			fail <- errBoom
		}
		time.Sleep(time.Minute)
		fail <- errBoom
		synctest.Wait()
		found := r.series(t)
		require.Positive(t, found["coppice.events.lost{}"])
		require.Less(t, found["coppice.child.failures{coppice.child.path=/shop/db,error.type=error}"], 3001.)
		require.NoError(t, root.Stop(bg))
	})
}

var setGlobals sync.Once

func TestTheGlobalProvidersAreUsedAlsoIfTheyAreSetLater(t *testing.T) {
	first := false
	setGlobals.Do(func() { first = true })
	if !first {
		t.Skip("a process can set them for the first time only once")
	}
	tel := new(coppiceotel.Telemetry)
	root := supervisor.New(supervisor.Spec{Name: "late", Logger: slog.New(slog.DiscardHandler), Around: tel.Around, Children: []child.Spec{{Name: "db", Run: idle}}})
	stop := tel.Watch(root)
	defer stop()
	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	require.NoError(t, root.Start(bg))
	require.NoError(t, root.Stop(bg))
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(bg, &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.NotEmpty(t, spans.Ended())
}

func TestProvidersMayBeFlushedAndShutDownAtAnyTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spans := tracetest.NewInMemoryExporter()
		tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
		loggers := sdklog.NewLoggerProvider()
		tel := coppiceotel.New(coppiceotel.Spec{TracerProvider: tracers, LoggerProvider: loggers})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Around: tel.Around, Children: []child.Spec{{Name: "db", Run: idle}}})
		stop := tel.Watch(root)
		require.NoError(t, root.Start(bg))
		synctest.Wait()
		require.NoError(t, tracers.ForceFlush(bg))
		require.NotEmpty(t, spans.GetSpans())
		require.NoError(t, tracers.Shutdown(bg))
		require.NoError(t, loggers.Shutdown(bg))
		require.NoError(t, root.RestartChild(bg, "db"))
		require.NoError(t, root.Stop(bg))
		stop()
	})
}
