package coppiceotel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

var (
	errBoom = errors.New("boom")
	quiet   = slog.New(slog.DiscardHandler)
	bg      = context.Background()
)

// bubble runs f in virtual time. It fails if a goroutine is left.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer goleak.VerifyNone(t)
	synctest.Test(t, f)
}

// A rig has the three SDKs with everything they receive in memory.
type rig struct {
	*coppiceotel.Telemetry
	reader *sdkmetric.ManualReader
	tracer trace.Tracer
	spans  *tracetest.SpanRecorder
	logs   *logbook
}

// newRig returns a Telemetry that reports to memory.
func newRig(spec coppiceotel.Spec) *rig {
	r := &rig{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder(), logs: new(logbook)}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	r.tracer = tracers.Tracer("test")
	spec.TracerProvider = tracers
	spec.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader), sdkmetric.WithCardinalityLimit(0))
	spec.LoggerProvider = sdklog.NewLoggerProvider(sdklog.WithProcessor(r.logs))
	r.Telemetry = coppiceotel.New(spec)
	return r
}

// start watches a tree and starts it. The tree is stopped when the test ends.
func (r *rig) start(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	root := r.watch(t, spec)
	require.NoError(t, root.Start(t.Context()))
	return root
}

// watch watches a tree. The tree is stopped when the test ends.
func (r *rig) watch(t *testing.T, spec supervisor.Spec) *supervisor.Supervisor {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "shop"
	}
	if spec.Logger == nil {
		spec.Logger = quiet
	}
	root := supervisor.New(spec)
	t.Cleanup(r.Watch(root))
	t.Cleanup(func() { _ = root.Stop(bg) })
	return root
}

// A logbook is a log processor that keeps all records.
type logbook struct {
	mu      sync.Mutex
	records []sdklog.Record
}

func (b *logbook) OnEmit(_ context.Context, r *sdklog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, r.Clone())
	return nil
}

func (b *logbook) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (b *logbook) Shutdown(context.Context) error                         { return nil }
func (b *logbook) ForceFlush(context.Context) error                       { return nil }

// all returns the records so far.
func (b *logbook) all() []sdklog.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]sdklog.Record{}, b.records...)
}

// of returns the records of one event name.
func (b *logbook) of(name string) (found []sdklog.Record) {
	for _, r := range b.all() {
		if r.EventName() == name {
			found = append(found, r)
		}
	}
	return found
}

// attrs returns the attributes of a record as text.
func attrs(r sdklog.Record) map[string]string {
	all := make(map[string]string)
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		all[string(kv.Key)] = kv.Value.String()
		return true
	})
	return all
}

// story returns the severity and the body of each record.
func (b *logbook) story() (lines []string) {
	for _, r := range b.all() {
		lines = append(lines, fmt.Sprintf("%v %s", r.Severity(), r.Body().String()))
	}
	return lines
}

// ended returns the spans that have ended, of one name.
func (r *rig) ended(name string) (found []sdktrace.ReadOnlySpan) {
	for _, span := range r.spans.Ended() {
		if span.Name() == name {
			found = append(found, span)
		}
	}
	return found
}

// one returns the only ended span of a name and a path.
func (r *rig) one(t *testing.T, name, path string) sdktrace.ReadOnlySpan {
	t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, span := range r.ended(name) {
		if at := attr(span, "coppice.child.path") + attr(span, "coppice.supervisor.path"); at == path {
			found = append(found, span)
		}
	}
	require.Len(t, found, 1, "%s %s in\n%s", name, path, strings.Join(r.lines(), "\n"))
	return found[0]
}

// lines describes all spans that have ended.
func (r *rig) lines() (lines []string) {
	for _, span := range r.spans.Ended() {
		lines = append(lines, fmt.Sprintf("%s %v", span.Name(), span.Attributes()))
	}
	return lines
}

// attr returns an attribute of a span as text.
func attr(span sdktrace.ReadOnlySpan, key string) string {
	for _, kv := range span.Attributes() {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

// linksTo reports whether a span has a link to another.
func linksTo(from, to sdktrace.ReadOnlySpan) bool {
	for _, l := range from.Links() {
		if l.SpanContext.Equal(to.SpanContext()) {
			return true
		}
	}
	return false
}

// isBelow reports whether a span is a child of another.
func isBelow(span, parent sdktrace.ReadOnlySpan) bool {
	return span.Parent().SpanID() == parent.SpanContext().SpanID()
}

func took(span sdktrace.ReadOnlySpan) time.Duration { return span.EndTime().Sub(span.StartTime()) }

// collect returns everything that a collection finds.
func (r *rig) collect(t testing.TB) metricdata.ResourceMetrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, r.reader.Collect(bg, &all))
	return all
}

// A series is one series that a collection found, as text such as
// coppice.child.ready{coppice.child.path=/shop/db}. The attribute coppice.tree, which all
// have, is left out if it is shop.
func (r *rig) series(t testing.TB) map[string]float64 {
	t.Helper()
	found := make(map[string]float64)
	add := func(name string, set attribute.Set, v float64) {
		var parts []string
		for _, kv := range set.ToSlice() {
			if part := string(kv.Key) + "=" + kv.Value.String(); part != "coppice.tree=shop" {
				parts = append(parts, part)
			}
		}
		sort.Strings(parts)
		key := name + "{" + strings.Join(parts, ",") + "}"
		if _, twice := found[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		found[key] = v
	}
	for _, scope := range r.collect(t).ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Count))
				}
			default:
				t.Fatalf("%s has an unexpected type %T", m.Name, data)
			}
		}
	}
	return found
}

var idle = testkit.Idle

// failing returns a child that is ready, and fails with what it receives: a panic if that
// is a string.
func failing(with <-chan any) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case v := <-with:
			if err, ok := v.(error); ok {
				return err
			}
			panic(v)
		}
	}
}

// newOff returns a spec with which nothing is reported.
func newOff() coppiceotel.Spec {
	return coppiceotel.Spec{
		MeterProvider:  metricnoop.NewMeterProvider(),
		TracerProvider: tracenoop.NewTracerProvider(),
		LoggerProvider: lognoop.NewLoggerProvider(),
	}
}
