package coppiceotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/supervisor"
)

// begin starts the span of a start for Around. It returns nil if the run is not to have
// one: the start has ended already, or another run claims the same number.
func (s *spans) begin(ctx context.Context, path string, number uint64, at time.Time, c *runContext) trace.Span {
	s.mu.Lock()
	r := s.run(number, path)
	if s.ended || r.done || r.ctx != nil {
		s.mu.Unlock()
		return nil
	}
	r.ctx, r.began = c, at
	s.mu.Unlock()

	in, options := s.within(ctx, at, s.attributes(path, number)...)
	_, span := s.tracer.Start(in, spanStart, options...)

	s.mu.Lock()
	if s.ended || r.done { // meanwhile
		s.mu.Unlock()
		span.End()
		return nil
	}
	r.span = span
	e, link := r.event, r.link
	r.event = nil
	s.mu.Unlock()
	complete(span, e, link)
	return span
}

// within returns how to begin a span below the one that ctx has. If that one has ended, or
// belongs to another process, the new span begins a trace and links to it.
func (s *spans) within(ctx context.Context, at time.Time, attrs ...attribute.KeyValue) (context.Context, []trace.SpanStartOption) {
	options := []trace.SpanStartOption{trace.WithTimestamp(at), trace.WithAttributes(attrs...)}
	if above := trace.SpanFromContext(ctx); !above.IsRecording() {
		options = append(options, trace.WithNewRoot())
		if above.SpanContext().IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: above.SpanContext()}))
		}
	}
	return ctx, options
}

// complete adds to the span of a start what the event says.
func complete(span trace.Span, e *supervisor.Event, link trace.SpanContext) {
	if e == nil {
		return
	}
	span.SetAttributes(reasons(e)...)
	if link.IsValid() {
		span.AddLink(trace.Link{SpanContext: link})
	}
}

// starting notes what a run is started for.
func (s *spans) starting(e *supervisor.Event, link trace.SpanContext) {
	s.mu.Lock()
	r := s.run(e.Run, e.Path)
	span := r.span
	r.link = link
	if span == nil {
		r.event = e
		if r.ctx == nil {
			r.began = e.Time
		}
	}
	s.mu.Unlock()
	if span != nil {
		complete(span, e, link)
	}
}

// startEnds ends the span of a start, unless it has ended. failure is the event if the
// start failed. It returns the span.
func (s *spans) startEnds(number uint64, at time.Time, failure *supervisor.Event) trace.SpanContext {
	s.mu.Lock()
	r := s.runs[number]
	if r == nil || r.done {
		defer s.mu.Unlock()
		if r == nil {
			return trace.SpanContext{}
		}
		return r.start
	}
	r.done = true
	if r.ctx != nil {
		r.ctx.becomes(at)
	}
	span, e, link := r.span, r.event, r.link
	s.mu.Unlock()
	if span == nil { // no Around
		in, options := s.within(context.Background(), r.began, s.attributes(r.path, number)...)
		_, span = s.tracer.Start(in, spanStart, options...)
		complete(span, e, link)
	}
	fail(span, failure)
	span.End(trace.WithTimestamp(at))
	s.mu.Lock()
	defer s.mu.Unlock()
	r.start, r.event = span.SpanContext(), nil
	return r.start
}

// startOf returns the span of the start of the run that an event is about. If that has not
// ended, the run was asked to stop before it was ready, or the event that ends it was lost.
func (s *spans) startOf(e *supervisor.Event) trace.SpanContext {
	at := e.Time
	if e.Ready {
		at = s.readyAt(e.Run)
	}
	return s.startEnds(e.Run, at, nil)
}

// readyAt returns when a run became ready, if its EventReady was lost. Without Around
// nothing tells, so it is when the run began.
func (s *spans) readyAt(number uint64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[number]
	if r == nil {
		return time.Time{}
	}
	if r.ctx != nil {
		if at := r.ctx.ready.Load(); at != 0 {
			return time.Unix(0, at)
		}
	}
	return r.began
}
