package coppiceotel

import (
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/supervisor"
)

// countedKinds are the kinds of events that the metrics count or measure.
var countedKinds = []supervisor.EventKind{
	supervisor.EventReady, supervisor.EventUnready, supervisor.EventFailed, supervisor.EventRestarting,
	supervisor.EventCompleted, supervisor.EventStopped, supervisor.EventAbandoned, supervisor.EventHung,
	supervisor.EventGaveUp,
}

// metrics are the metrics of one tree. Counters and histograms come from events, all others
// from a snapshot at each collection.
type metrics struct {
	*instruments
	root *supervisor.Supervisor

	seriesFor     func(path string) bool
	degradedAbove float64

	mu      sync.Mutex
	fold    *fold
	counts  map[string]*count // by the path of the series
	gaveUps map[string]int64  // by the path of the supervisor
	lost    int64
	down    map[string]bool // children that failed and have not been ready since
	unready map[string]bool // children that are unready
}

// A count has what is counted of a child, or of the children of a supervisor that have no
// series of their own.
type count struct {
	restarts, heartbeats int64
	panics, errors       int64
	lastFailure          time.Time
}

// watchMetrics registers the metrics of a tree. It returns the functions that end them.
func watchMetrics(m metric.Meter, root *supervisor.Supervisor, spec Spec) (stops []func()) {
	w := &metrics{
		instruments: newInstruments(m), root: root, fold: newFold(root, spec),
		seriesFor: spec.SeriesFor, degradedAbove: spec.DegradedAbove,
		counts: make(map[string]*count), gaveUps: make(map[string]int64),
		down: make(map[string]bool), unready: make(map[string]bool),
	}
	if !(w.degradedAbove > 0) { // NaN, too
		w.degradedAbove = wellness.MostInTrouble
	}
	stops = append(stops, root.Subscribe(w.receive, countedKinds...))
	registered, err := m.RegisterCallback(w.observe, w.observed...)
	report(err)
	if err == nil {
		stops = append(stops, func() { report(registered.Unregister()) })
	}
	return stops
}

// receive is the subscriber.
func (w *metrics) receive(e supervisor.Event) {
	if into, sup := w.count(&e, w.asks(onTheWay(e.Path))); into != nil {
		into.Record(context.Background(), e.Took.Seconds(), metric.WithAttributes(w.tree(), keySupervisor.String(lineOf(sup))))
	}
}

// count counts an event. If it is the end of a start or of a stop, count returns the
// histogram for it and the supervisor.
func (w *metrics) count(e *supervisor.Event, asked map[string]bool) (into metric.Float64Histogram, sup string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fold.asked = asked
	w.lost += int64(e.Lost)
	wasDown, wasUnready := w.down[e.Path], w.unready[e.Path]
	switch e.Kind {
	case supervisor.EventReady, supervisor.EventCompleted, supervisor.EventStopped, supervisor.EventAbandoned:
		delete(w.down, e.Path)
		delete(w.unready, e.Path)
	}
	switch e.Kind {
	case supervisor.EventReady:
		if !wasUnready { // otherwise it is not the end of a start
			into = w.starts
		}
	case supervisor.EventStopped, supervisor.EventAbandoned:
		if e.Took > 0 || !wasDown { // otherwise its pending restart was cancelled
			into = w.stops
		}
	case supervisor.EventUnready:
		remember(w.unready, e.Path)
	case supervisor.EventFailed:
		delete(w.unready, e.Path)
		remember(w.down, e.Path)
		c := w.of(e.Path)
		if isPanic(e) {
			c.panics++
		} else {
			c.errors++
		}
		if e.Time.After(c.lastFailure) {
			c.lastFailure = e.Time
		}
	case supervisor.EventRestarting:
		w.of(e.Path).restarts++
	case supervisor.EventHung:
		w.of(e.Path).heartbeats++
	case supervisor.EventGaveUp:
		w.gaveUps[w.fold.supervisor(e.Path)]++
	}
	if into != nil {
		_, sup = w.fold.child(e.Path)
		sup = w.fold.lasting(sup)
	}
	return into, sup
}

// isPanic reports whether a failure was a panic or a runtime.Goexit. The core has looked for
// the stack of a panic in the error, so no method of the error is called under the lock.
func isPanic(e *supervisor.Event) bool { return len(e.Stack) > 0 || e.Err == child.ErrGoexit }

// maxRemembered is the number of children whose state is remembered between events.
const maxRemembered = 1 << 16

// remember adds a child. Children that were removed are forgotten by a collection, or when
// there are too many.
func remember(children map[string]bool, path string) {
	if len(children) >= maxRemembered {
		clear(children)
	}
	children[path] = true
}

// of returns what is counted under the path of a child. w.mu must be held.
func (w *metrics) of(path string) *count {
	series, _ := w.fold.child(path)
	return w.at(series)
}

// at returns what is counted in a series. w.mu must be held.
func (w *metrics) at(series string) *count {
	c := w.counts[series]
	if c == nil {
		c = new(count)
		w.counts[series] = c
	}
	return c
}

// moved moves the counts of a child that is gone, and of a supervisor in it, to those of
// the supervisor above. w.mu must be held.
func (w *metrics) moved(path string) {
	sup := w.fold.nearest(path)
	for _, series := range []string{path, rest(path)} {
		from := w.counts[series]
		if from == nil {
			continue
		}
		delete(w.counts, series)
		to := w.at(rest(sup))
		to.restarts += from.restarts
		to.heartbeats += from.heartbeats
		to.panics += from.panics
		to.errors += from.errors
		if from.lastFailure.After(to.lastFailure) {
			to.lastFailure = from.lastFailure
		}
	}
	w.gaveUps[sup] += w.gaveUps[path]
	delete(w.gaveUps, path)
}

// asks returns for which children Spec.SeriesFor asks.
func (w *metrics) asks(children iter.Seq[child.Status]) map[string]bool {
	if w.seriesFor == nil {
		return nil
	}
	asked := make(map[string]bool)
	for st := range children {
		if w.asksFor(st.Path) {
			asked[st.Path] = true
		}
	}
	return asked
}

func (w *metrics) asksFor(path string) (yes bool) {
	defer func() {
		if recover() != nil {
			yes = false
		}
	}()
	return w.seriesFor(path)
}

// onTheWay returns an iterator over a child and those in which its supervisors run.
func onTheWay(path string) iter.Seq[child.Status] {
	return func(yield func(child.Status) bool) {
		for at := path; at != "" && yield(child.Status{Path: at}); {
			at = parentOf(at)
		}
	}
}

// tree returns the attribute that all series have.
func (w *metrics) tree() attribute.KeyValue {
	return keyTree.String(strings.TrimPrefix(w.root.Path(), "/"))
}
