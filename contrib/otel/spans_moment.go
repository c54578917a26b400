package coppiceotel

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// failed records a failure: on the span of the start that failed, otherwise on a span of
// its own. The failure of a run that was late or hung is recorded when it is stopped.
func (s *spans) failed(e *supervisor.Event, link trace.SpanContext) trace.SpanContext {
	if fault, ok := s.faults[e.Path]; ok {
		delete(s.faults, e.Path)
		return fault
	}
	if !e.Ready {
		if span := s.startEnds(e.Run, e.Time, e); span.IsValid() {
			return span
		}
	}
	return s.moment(spanFailure, e, link)
}

// noteFault notes where the failure is recorded because of which a run is being stopped.
func (s *spans) noteFault(e *supervisor.Event, link trace.SpanContext) {
	delete(s.faults, e.Path)
	switch {
	case is(e.Err, child.ErrStartTimeout):
		link = s.startEnds(e.Run, e.Time, e)
	case !is(e.Err, child.ErrHung):
		return
	}
	if len(s.faults) >= maxLedger { // no failure has followed, because the tree was stopped
		clear(s.faults)
	}
	s.faults[e.Path] = link
}

// moment records an event as a span that takes no time.
func (s *spans) moment(name string, e *supervisor.Event, link trace.SpanContext) trace.SpanContext {
	_, span := s.tracer.Start(context.Background(), name, s.options(e, link)...)
	fail(span, e)
	span.End(trace.WithTimestamp(e.Time))
	return span.SpanContext()
}
