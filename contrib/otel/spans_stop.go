package coppiceotel

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/supervisor"
)

// stopping is a stop that has not ended.
type stopping struct {
	span trace.Span
	run  uint64 // zero: of a supervisor
}

// stopBegins starts the span of a stop, below that of the stop of its supervisor if there
// is one.
func (s *spans) stopBegins(e *supervisor.Event, link trace.SpanContext) trace.SpanContext {
	s.replace(e.Path, e.Time)
	s.noteFault(e, link)
	span := s.startBelow(spanStop, e, link)
	if e.Err != nil {
		span.SetAttributes(keyCause.String(errorText(e.Err)))
	}
	s.stops[e.Path] = stopping{span, e.Run}
	return span.SpanContext()
}

// startBelow starts a span of a stop.
func (s *spans) startBelow(name string, e *supervisor.Event, link trace.SpanContext) trace.Span {
	ctx := context.Background()
	if above := s.stops[e.Path[:max(0, strings.LastIndexByte(e.Path, '/'))]]; above.span != nil {
		ctx = trace.ContextWithSpan(ctx, above.span)
	}
	_, span := s.tracer.Start(ctx, name, s.options(e, link)...)
	return span
}

// replace ends a stop whose last event was lost.
func (s *spans) replace(path string, at time.Time) {
	if before := s.stops[path]; before.span != nil {
		before.span.End(trace.WithTimestamp(at))
		delete(s.stops, path)
	}
}

// stopEnds ends the span of a stop. It returns an invalid one if there is none.
func (s *spans) stopEnds(e *supervisor.Event) trace.SpanContext {
	stop := s.stops[e.Path]
	if stop.span == nil || (stop.run == 0) != ofSupervisor(e.Kind) {
		return trace.SpanContext{}
	}
	if e.Kind == supervisor.EventOver || e.Level() > slog.LevelDebug {
		fail(stop.span, e)
	}
	stop.span.End(trace.WithTimestamp(e.Time))
	delete(s.stops, e.Path)
	return stop.span.SpanContext()
}

// closing starts the span of a supervisor's stop. If the child in which it runs is being
// stopped, that is the same stop.
func (s *spans) closing(e *supervisor.Event, link trace.SpanContext) trace.SpanContext {
	s.treeEnds(e)
	if stop := s.stops[e.Path]; stop.span != nil && stop.run != 0 {
		return stop.span.SpanContext()
	}
	s.replace(e.Path, e.Time)
	span := s.startBelow(spanClose, e, link)
	if e.Err != nil {
		span.SetAttributes(keyCause.String(errorText(e.Err)))
	}
	s.stops[e.Path] = stopping{span: span}
	return span.SpanContext()
}

// over ends the span of a supervisor's stop.
func (s *spans) over(e *supervisor.Event) {
	s.stopEnds(e) // not that of the child in which it runs
	if e.Path != s.root.Path() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = false // it may be started again
}
