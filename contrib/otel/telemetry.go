package coppiceotel

import (
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/coppice-go/coppice/supervisor"
)

// scope is the name of the instrumentation scope of all signals.
const scope = "github.com/coppice-go/coppice/contrib/otel"

// A Spec selects where the signals of a Telemetry go, and how many there are. The zero
// Spec sends all three to the global providers.
type Spec struct {
	// MeterProvider receives the metrics. Nil is otel.GetMeterProvider(). The provider of
	// package metric/noop turns metrics off: Watch then does nothing for them.
	MeterProvider metric.MeterProvider

	// TracerProvider receives the spans. Nil is otel.GetTracerProvider(). The provider of
	// package trace/noop turns spans off, and makes Around call run with its own ctx.
	TracerProvider trace.TracerProvider

	// LoggerProvider receives the events as log records. Nil is
	// otel.GetLoggerProvider(). The provider of package log/noop turns them off.
	LoggerProvider log.LoggerProvider

	// MinSeverity is the lowest severity of the log records. The severities are the
	// levels of supervisor.Spec.Logger. Zero is log.SeverityInfo, which has the whole
	// story of the tree. From log.SeverityDebug on there is a record for each start and
	// each stop.
	MinSeverity log.Severity

	// SeriesFor asks for metric series of children that have none by default: those that
	// were added with StartChild, and those of Independent supervisors. It is called with
	// the paths of children, such as "/shop/tenants/acme", at each collection and for each
	// event that is counted, so it should be fast. It may be called from several
	// goroutines at once. A panic in it counts as no. Nil asks for none.
	//
	// The series of a child that was removed end with the next collection, and its counts
	// move to SUPERVISOR/*. Durations are counted with those of the nearest supervisor that
	// is declared, because the SDK never forgets a series of a histogram. Paths of more
	// than 1,024 bytes are refused.
	SeriesFor func(path string) bool

	// DegradedAbove is the share of the children without series of their own that may be
	// in trouble before coppice.supervisor.degraded is 1. Zero, or less, means 0.1.
	DegradedAbove float64

	// MaxSeries limits the number of metric series of one tree. A child needs 13, a
	// supervisor 19 more, a gate 4 more, a periodic job 1 more, and the tree itself 10.
	// Children that do not fit are counted together under SUPERVISOR/*, and
	// coppice.series.omitted says how many series are missing. The root always has its
	// series. Zero is 4,000: enough for 300 children, and few enough for the SDK, which by
	// default drops what exceeds 2,000 series of one instrument (WithCardinalityLimit).
	MaxSeries int
}

const defaultMaxSeries = 4000

// A Telemetry reports trees to OpenTelemetry. One Telemetry may watch several trees. The
// zero Telemetry is New(Spec{}). All methods may be called from any goroutine.
type Telemetry struct {
	spec Spec

	mu    sync.RWMutex
	trees map[*supervisor.Supervisor]*tree
}

// A tree is what a Telemetry holds about a root that it watches.
type tree struct {
	spans *spans // nil if there are none
	stops []func()
}

// New returns a Telemetry. It registers nothing: Watch does.
func New(spec Spec) *Telemetry { return &Telemetry{spec: spec} }

// Watch reports what happens in the tree of root from now on, over all its starts, until
// stop is called. Call it before Serve or Start, so that the first start is included. root
// must be the root of its tree. Trees need different names: nothing else tells their
// metrics apart. If root is nil, or this Telemetry watches it already, Watch does nothing.
//
// Nothing that OpenTelemetry does delays supervision: events wait in queues, which are
// those of Supervisor.Subscribe. If an exporter or a processor blocks, events are dropped
// when a queue is full. Then counters and durations miss them (coppice.events.lost), spans
// are missing, and log records say how many were lost. Serve and Stop return when the last
// events have been passed on, or after one second. So shut the providers down after Serve
// has returned:
//
//	err := root.Serve(ctx)
//	stop()
//	err = errors.Join(err, meters.Shutdown(flush), tracers.Shutdown(flush), loggers.Shutdown(flush))
//
// A provider may be shut down or flushed at any time before that. What it would have
// received afterwards is lost.
//
// stop ends the spans that are open and unregisters the metrics. When it returns, no
// provider is called any more on behalf of root, except for starts of runs that Around is
// just tracing. It waits for a call that is in progress, unless it is called from a
// subscriber. It may be called more than once.
func (t *Telemetry) Watch(root *supervisor.Supervisor) (stop func()) {
	if root == nil {
		return func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.trees[root] != nil {
		return func() {}
	}
	if t.trees == nil {
		t.trees = make(map[*supervisor.Supervisor]*tree)
	}
	w := &tree{}
	t.trees[root] = w
	if p := orGlobal(t.spec.TracerProvider, otel.GetTracerProvider); !isNoop[tracenoop.TracerProvider](p) {
		w.spans = newSpans(p.Tracer(scope), root)
		w.stops = append(w.stops, root.Subscribe(w.spans.receive, spanKinds...), w.spans.endAll)
	}
	if p := orGlobal(t.spec.MeterProvider, otel.GetMeterProvider); !isNoop[metricnoop.MeterProvider](p) {
		w.stops = append(w.stops, watchMetrics(p.Meter(scope), root, t.spec)...)
	}
	if p := orGlobal(t.spec.LoggerProvider, otel.GetLoggerProvider); !isNoop[lognoop.LoggerProvider](p) {
		r := newRecords(p.Logger(scope), root, t.spec.MinSeverity)
		w.stops = append(w.stops, root.Subscribe(r.receive, r.kinds()...))
	}
	return sync.OnceFunc(func() {
		t.mu.Lock()
		delete(t.trees, root)
		t.mu.Unlock()
		for _, stop := range w.stops {
			stop()
		}
	})
}

// watched returns what is held about the tree of root, or nil if it is not watched.
func (t *Telemetry) watched(root *supervisor.Supervisor) *tree {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.trees[root]
}

// orGlobal returns the provider of the spec, or the global one if there is none.
func orGlobal[P comparable](own P, global func() P) P {
	var none P
	if own == none {
		return global()
	}
	return own
}

// isNoop reports whether a provider is one that does nothing.
func isNoop[Noop any](provider any) bool {
	_, noop := provider.(Noop)
	if !noop {
		_, noop = provider.(*Noop)
	}
	return noop
}
