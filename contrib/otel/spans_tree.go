package coppiceotel

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// parentOfStart returns the context in which the span of a start is begun. found is the
// span that ctx has.
func (s *spans) parentOfStart(ctx context.Context, path string, found trace.Span, now time.Time) context.Context {
	if strings.LastIndexByte(path, '/') != len(s.root.Path()) {
		return ctx
	}
	s.mu.Lock()
	begin := !s.started && !s.ended
	s.started = true
	s.mu.Unlock()
	if begin {
		in, options := s.within(ctx, now, keyTree.String(s.name()))
		_, span := s.tracer.Start(in, spanTreeStart, options...)
		s.mu.Lock()
		ended := s.ended
		if !ended {
			s.tree, s.treeIn, s.treeAt = span, found, now
		}
		s.mu.Unlock()
		if ended { // meanwhile
			span.End()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tree != nil && found.SpanContext().Equal(s.treeIn.SpanContext()) {
		return trace.ContextWithSpan(ctx, s.tree)
	}
	return ctx
}

// treeEnds ends the span of the start of the tree: all children are ready, or the tree is
// stopping before they were.
func (s *spans) treeEnds(e *supervisor.Event) {
	if e.Path != s.root.Path() {
		return
	}
	s.mu.Lock()
	span := s.tree
	s.tree, s.treeIn = nil, nil
	s.mu.Unlock()
	if span == nil {
		return
	}
	if e.Kind != supervisor.EventUp {
		span.SetStatus(codes.Error, "not all children became ready")
	}
	span.End(trace.WithTimestamp(e.Time))
}

// checkTree ends the span of the start of the tree if the event that does may be among the
// lost ones.
func (s *spans) checkTree() {
	s.mu.Lock()
	span, began := s.tree, s.treeAt
	s.mu.Unlock()
	if span == nil {
		return
	}
	st := s.root.Status()
	if st.State == child.Starting {
		return
	}
	at := began // of one that has been up, nothing tells any more when it was
	if st.State == child.Running {
		at = st.Since
	}
	s.mu.Lock()
	s.tree, s.treeIn = nil, nil
	s.mu.Unlock()
	span.End(trace.WithTimestamp(at))
}
