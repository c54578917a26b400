package coppiceotel

import (
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// options returns how to begin a span for an event: at its time, with links to what led to
// it and to the start of the run.
func (s *spans) options(e *supervisor.Event, link trace.SpanContext) []trace.SpanStartOption {
	attrs := s.attributes(e.Path, e.Run)
	if ofSupervisor(e.Kind) {
		attrs = []attribute.KeyValue{keyTree.String(s.name()), keySupervisor.String(lineOf(e.Path))}
	}
	options := []trace.SpanStartOption{
		trace.WithTimestamp(e.Time), trace.WithAttributes(attrs...), trace.WithAttributes(reasons(e)...),
	}
	for _, to := range []trace.SpanContext{link, s.startOf(e)} {
		if to.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: to}))
		}
	}
	return options
}

func (s *spans) name() string { return strings.TrimPrefix(s.root.Path(), "/") }

// attributes returns the attributes of all spans of a run.
func (s *spans) attributes(path string, number uint64) []attribute.KeyValue {
	attrs := []attribute.KeyValue{keyTree.String(s.name()), keyPath.String(lineOf(path))}
	if number != 0 {
		attrs = append(attrs, keyRun.Int64(int64(number)))
	}
	return attrs
}

// reasons returns the attributes that say why something happened.
func reasons(e *supervisor.Event) (attrs []attribute.KeyValue) {
	if e.Reason != supervisor.ReasonNone {
		attrs = append(attrs, keyReason.String(e.Reason.String()))
	}
	if e.By != "" {
		attrs = append(attrs, keyBy.String(lineOf(e.By)))
	}
	if e.Restarts > 0 {
		attrs = append(attrs, keyRestarts.Int(e.Restarts))
	}
	return attrs
}

// fail records the error of an event, if there is one, as the status of a span and as an
// exception.
func fail(span trace.Span, e *supervisor.Event) {
	if e == nil || !span.IsRecording() {
		return
	}
	err := e.Err
	switch e.Kind {
	case supervisor.EventAbandoned:
		err = errAbandoned
	case supervisor.EventHung:
		err = child.ErrHung
	}
	if err == nil {
		return
	}
	text := errorText(err)
	span.SetStatus(codes.Error, text)
	span.SetAttributes(keyErrorType.String(errorType(err)))
	attrs := []attribute.KeyValue{keyExceptionType.String(goType(err)), keyExceptionMessage.String(text)}
	if len(e.Stack) > 0 {
		attrs = append(attrs, keyExceptionStack.String(stackText(e.Stack)))
	}
	span.AddEvent("exception", trace.WithTimestamp(e.Time), trace.WithAttributes(attrs...))
}

var errAbandoned = errors.New("did not stop in time and was abandoned")
