package coppiceotel

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Names of spans.
const (
	spanTreeStart = "coppice.tree.start"         // from the first start of a child until all declared children are ready
	spanStart     = "coppice.child.start"        // from the call of Run until the child is ready
	spanStop      = "coppice.child.stop"         // from when the run is asked to stop until it has returned or is abandoned
	spanClose     = "coppice.supervisor.stop"    // the same for a root, or a supervisor that ends by itself
	spanFailure   = "coppice.child.failure"      // the moment at which a run failed that had been ready
	spanGaveUp    = "coppice.supervisor.gave_up" // the moment at which a supervisor gave up
	spanRequest   = "coppice.request"            // the moment at which an operator requested something
)

// spanKinds are the kinds of events that spans are made of, or that lead from one to
// another.
var spanKinds = []supervisor.EventKind{
	supervisor.EventStarting, supervisor.EventReady, supervisor.EventFailed, supervisor.EventRestarting,
	supervisor.EventCompleted, supervisor.EventStopping, supervisor.EventStopped, supervisor.EventAbandoned,
	supervisor.EventHung, supervisor.EventGaveUp, supervisor.EventRequest, supervisor.EventUp,
	supervisor.EventDraining, supervisor.EventClosing, supervisor.EventOver,
}

// spans makes the spans of one tree from its events. All spans are ended here, on the
// goroutine of the subscription, which may block.
type spans struct {
	tracer trace.Tracer
	root   *supervisor.Supervisor

	events sync.Mutex // held while an event is handled; guards the next four
	stops  map[string]stopping
	faults map[string]trace.SpanContext // of children that are stopped because of a failure: where that is recorded
	led    ledger
	alive  int // number of runs at the last sweep

	mu      sync.Mutex // shared with Around, so nothing that may block is called under it
	runs    map[uint64]*runSpans
	tree    trace.Span // of the start of the tree, while it starts
	treeIn  trace.Span // the span of the context in which it was begun
	treeAt  time.Time  // when
	started bool       // the tree has been started
	ended   bool
}

// runSpans is what is known about a run. All fields are guarded by spans.mu.
type runSpans struct {
	path  string
	began time.Time
	ctx   *runContext       // nil without Around
	span  trace.Span        // of the start; nil until Around or the end of the start makes it
	done  bool              // the start has ended
	start trace.SpanContext // of the start that has ended
	event *supervisor.Event // EventStarting, until it is in the span
	link  trace.SpanContext // what led to the start
}

// stopping is a stop that has not ended.
type stopping struct {
	span trace.Span
	run  uint64 // zero: of a supervisor
}

func newSpans(tracer trace.Tracer, root *supervisor.Supervisor) *spans {
	return &spans{
		tracer: tracer, root: root,
		stops: make(map[string]stopping), faults: make(map[string]trace.SpanContext), runs: make(map[uint64]*runSpans),
		started: isStarted(root),
	}
}

// isStarted reports whether the root is running already.
func isStarted(root *supervisor.Supervisor) bool {
	return root.Status().State != child.Stopped
}

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

// run returns what is known about a run. s.mu must be held.
func (s *spans) run(number uint64, path string) *runSpans {
	r := s.runs[number]
	if r == nil {
		r = &runSpans{path: path}
		s.runs[number] = r
	}
	return r
}

// receive is the subscriber.
func (s *spans) receive(e supervisor.Event) {
	s.events.Lock()
	defer s.events.Unlock()
	if e.Lost > 0 {
		s.sweep()
		s.checkTree()
	}
	s.led.reached(e.Seq)
	link := s.led.of(e.Because)
	span := link // unless the event has a span of its own
	switch e.Kind {
	case supervisor.EventStarting:
		s.starting(&e, link)
	case supervisor.EventReady:
		s.startEnds(e.Run, e.Time, nil)
	case supervisor.EventCompleted:
		span = s.startEnds(e.Run, e.Time, nil)
		s.ends(&e)
	case supervisor.EventFailed:
		span = s.failed(&e, link)
		s.ends(&e)
	case supervisor.EventHung:
		span = s.moment(spanFailure, &e, link)
	case supervisor.EventStopping:
		span = s.stopBegins(&e, link)
	case supervisor.EventStopped:
		if span = s.stopEnds(&e); !span.IsValid() && e.Level() > slog.LevelDebug { // it was not being stopped: it ended just before, or is left stopped
			span = s.moment(spanFailure, &e, link)
		}
		s.ends(&e)
	case supervisor.EventAbandoned:
		span = s.stopEnds(&e)
		s.ends(&e)
	case supervisor.EventGaveUp:
		span = s.moment(spanGaveUp, &e, link)
	case supervisor.EventRequest:
		span = s.moment(spanRequest, &e, link)
	case supervisor.EventUp:
		s.treeEnds(&e)
	case supervisor.EventClosing:
		span = s.closing(&e, link)
	case supervisor.EventOver:
		s.over(&e)
	}
	s.led.note(e.Seq, span)
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

// ends removes a run that has ended. Its start has ended too, unless events were lost.
func (s *spans) ends(e *supervisor.Event) {
	s.startOf(e)
	s.forget(e.Run)
}

// forget removes a run.
func (s *spans) forget(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, number)
}

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

// moment records an event as a span that takes no time.
func (s *spans) moment(name string, e *supervisor.Event, link trace.SpanContext) trace.SpanContext {
	_, span := s.tracer.Start(context.Background(), name, s.options(e, link)...)
	fail(span, e)
	span.End(trace.WithTimestamp(e.Time))
	return span.SpanContext()
}

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

// sweep removes what events that were lost would have removed, when there may be much of
// it.
func (s *spans) sweep() {
	s.mu.Lock()
	n := len(s.runs)
	s.mu.Unlock()
	if n+len(s.stops) <= 2*s.alive+maxLedger {
		return
	}
	s.alive = s.endLost()
}

// endLost ends the spans of which no event will come: the start of a run that is not
// starting, the stop of a child that is not stopping. It returns the number of runs that
// are alive.
func (s *spans) endLost() int {
	alive, starting, stopping := make(map[uint64]bool), make(map[uint64]bool), make(map[string]bool)
	for st := range s.root.Tree().All() {
		if st.State.Alive() {
			alive[st.Run] = true
		}
		switch st.State {
		case child.Starting:
			starting[st.Run] = true
		case child.Stopping:
			stopping[st.Path] = true
		}
	}
	s.mu.Lock()
	var lost, gone []uint64
	for number, r := range s.runs {
		if !starting[number] && r.span != nil {
			lost = append(lost, number)
		}
		if !alive[number] {
			gone = append(gone, number)
		}
	}
	s.mu.Unlock()
	for _, number := range lost {
		s.startEnds(number, s.readyAt(number), nil)
	}
	for _, number := range gone {
		s.forget(number)
	}
	for path := range s.stops {
		if !stopping[path] {
			s.replace(path, time.Now())
		}
	}
	return len(alive)
}

// endAll ends all spans that are open.
func (s *spans) endAll() {
	s.events.Lock()
	defer s.events.Unlock()
	s.checkTree()
	s.endLost()
	now := time.Now()
	s.mu.Lock()
	s.ended = true
	tree := s.tree
	s.tree = nil
	var open []uint64
	for number, r := range s.runs {
		if r.span != nil {
			open = append(open, number)
		}
	}
	s.mu.Unlock()
	for _, number := range open {
		s.startEnds(number, now, nil)
	}
	for path := range s.stops {
		s.replace(path, now)
	}
	if tree != nil {
		tree.End(trace.WithTimestamp(now))
	}
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
