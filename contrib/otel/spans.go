package coppiceotel

import (
	"log/slog"
	"sync"
	"time"

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
