package coppiceotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/supervisor"
)

// A snapshot is what one collection finds.
type snapshot struct {
	w       *metrics
	o       metric.Observer
	tree    attribute.KeyValue
	health  readiness.Health
	rows    []*row                   // of the supervisors that have series
	seen    map[string]bool          // children that have series
	down    map[string]bool          // those of w.down that may still be down
	unready map[string]bool          // those of w.unready that may still be unready
	gates   map[string]*gate.Gate    // that run, by the paths of their children
	jobs    map[string]*periodic.Job // the same
	omitted int64
}

// A row is what is found about a supervisor that has series.
type row struct {
	path      string
	states    [len(states)]int64
	trouble   int64
	budget    float64
	limited   bool
	suspended bool

	// Of the children that have no series of their own.
	folded, foldedTrouble int
	foldedAbandoned       int64
}

// observe is called at each collection. The tree is copied first, so that the lock is not
// held meanwhile.
func (w *metrics) observe(_ context.Context, o metric.Observer) error {
	health := readiness.Of(w.root)
	t := w.root.Tree()
	gates, jobs := gate.Running(w.root), periodic.Running(w.root)
	asked := w.asks(t.All())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fold.asked = asked
	s := &snapshot{
		w: w, o: o, tree: w.tree(), health: health,
		seen: make(map[string]bool), down: make(map[string]bool), unready: make(map[string]bool),
		gates: gates, jobs: jobs,
	}
	s.int(w.treeReady, bit(health.Ready))
	s.int(w.treeDraining, bit(health.Draining))
	s.states(w.treeState, t.State)
	s.supervisor(&t, true)
	for _, path := range w.fold.free(s.seen) {
		w.moved(path)
	}
	for _, r := range s.rows {
		s.row(r)
	}
	s.counts()
	s.observeGates()
	s.observeJobs()
	w.down, w.unready = s.down, s.unready // what the tree does not have any more is gone for good
	s.int(w.eventsLost, w.lost)
	s.int(w.seriesOmitted, s.omitted)
	return nil
}

// supervisor visits a supervisor that has series, and everything below it. covered reports
// whether Health covers it.
func (s *snapshot) supervisor(t *supervisor.Tree, covered bool) {
	r := &row{path: t.Path, suspended: t.Suspended}
	s.rows = append(s.rows, r)
	if most, _, limited := t.Intensity.Limit(); limited && most > 0 {
		r.budget, r.limited = float64(t.Counted)/float64(most), true
	}
	for i := range t.Children {
		c := &t.Children[i]
		isDeclared := declared(t, &c.Status)
		has, wanted := s.w.fold.admit(c.Name, c.Path, isDeclared)
		covered := covered && isDeclared
		if !has {
			s.folded(r, c, wanted)
			continue
		}
		s.seen[c.Path] = true
		s.remember(&c.Status)
		r.add(c.State, wellness.InTrouble(&c.Status))
		s.child(&c.Status, s.health.Child(&c.Status, t.State.Alive(), covered))
		switch {
		case !c.Supervisor:
		case s.w.fold.hasSupervisor(c.Path):
			s.supervisor(c, covered)
		default:
			s.omitted += seriesOfSupervisor
			s.below(r, c, true)
		}
	}
}

// folded visits a child that has no series of its own, and everything below it. wanted
// reports whether it should have.
func (s *snapshot) folded(r *row, t *supervisor.Tree, wanted bool) {
	if wanted {
		s.omitted += seriesOfChild
		if t.Supervisor {
			s.omitted += seriesOfSupervisor
		}
	}
	s.remember(&t.Status)
	trouble := wellness.InTrouble(&t.Status)
	r.add(t.State, trouble)
	r.folded++
	if trouble {
		r.foldedTrouble++
	}
	r.foldedAbandoned += int64(t.Abandoned)
	s.below(r, t, wanted)
}

// below visits the children of a supervisor that has no series. wanted reports whether it
// should have.
func (s *snapshot) below(r *row, t *supervisor.Tree, wanted bool) {
	for i := range t.Children {
		c := &t.Children[i]
		s.folded(r, c, wanted && (declared(t, &c.Status) || s.w.fold.asked[c.Path]))
	}
}

func (r *row) add(state child.State, trouble bool) {
	r.states[state]++
	r.trouble += bit(trouble)
}

// remember keeps what events have said of a child that is still in the tree.
func (s *snapshot) remember(st *child.Status) {
	if s.w.down[st.Path] && (st.State.Alive() || st.State == child.Waiting) {
		s.down[st.Path] = true
	}
	if s.w.unready[st.Path] {
		s.unready[st.Path] = true
	}
}

// child observes a child that has series, except for what events count.
func (s *snapshot) child(st *child.Status, ready bool) {
	path := keyPath.String(lineOf(st.Path))
	s.int(s.w.childReady, bit(ready), path)
	s.states(s.w.childState, st.State, path)
	s.int(s.w.abandoned, int64(st.Abandoned), path)
	s.w.at(st.Path) // its counters begin with zero
	s.omitted += s.w.fold.gates.visit(st, s.gates[st.Path], s.w.fold)
	s.omitted += s.w.fold.jobs.visit(st, s.jobs[st.Path], s.w.fold)
}

// row observes a supervisor.
func (s *snapshot) row(r *row) {
	w, sup := s.w, keySupervisor.String(lineOf(r.path))
	for i, state := range states {
		s.int(w.children, r.states[i], sup, keyState.String(state.String()))
	}
	s.int(w.inTrouble, r.trouble, sup)
	s.int(w.degraded, bit(wellness.Degraded(r.folded, r.foldedTrouble, w.degradedAbove)), sup)
	s.int(w.suspended, bit(r.suspended), sup)
	if r.limited {
		s.float(w.budget, r.budget, sup)
	}
	if r.folded > 0 {
		w.at(rest(r.path))
	}
	if w.counts[rest(r.path)] != nil {
		s.int(w.abandoned, r.foldedAbandoned, keyPath.String(lineOf(rest(r.path))))
	}
	w.gaveUps[r.path] += 0 // begins with zero
}

// counts observes what events have counted, also of what is not running now.
func (s *snapshot) counts() {
	w := s.w
	for series, c := range w.counts {
		path := keyPath.String(lineOf(series))
		s.int(w.restarts, c.restarts, path)
		s.int(w.heartbeats, c.heartbeats, path)
		s.int(w.failures, c.panics, path, keyErrorType.String(typePanic))
		s.int(w.failures, c.errors, path, keyErrorType.String(typeError))
		if !c.lastFailure.IsZero() {
			s.float(w.lastFailure, seconds(c.lastFailure), path)
		}
	}
	for sup, n := range w.gaveUps {
		s.int(w.gaveUp, n, keySupervisor.String(lineOf(sup)))
	}
}

// states observes an instrument that has a series for each state.
func (s *snapshot) states(i metric.Int64Observable, is child.State, attrs ...attribute.KeyValue) {
	for _, state := range states {
		s.int(i, bit(state == is), append(attrs, keyState.String(state.String()))...)
	}
}

func (s *snapshot) int(i metric.Int64Observable, v int64, attrs ...attribute.KeyValue) {
	s.o.ObserveInt64(i, v, metric.WithAttributes(append(attrs, s.tree)...))
}

func (s *snapshot) float(i metric.Float64Observable, v float64, attrs ...attribute.KeyValue) {
	s.o.ObserveFloat64(i, v, metric.WithAttributes(append(attrs, s.tree)...))
}

// seconds returns a Unix time.
func seconds(at time.Time) float64 { return float64(at.UnixNano()) / 1e9 }

func bit(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
