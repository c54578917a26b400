package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// A watch looks at each event of a tree under Play, and says which cannot be.
// Of a child that it has not heard of it believes anything.
type watch struct {
	tr     *testkit.Tree
	cancel func()
	keep   bool // all events, for the trace; else the last ones

	mu       sync.Mutex
	events   []supervisor.Event
	counts   map[string]uint64
	lost     uint64
	state    map[string]watched
	left     map[string]int           // runs that were abandoned and have not returned
	asked    map[string]time.Time     // children that are stopping: since when
	limits   map[string]time.Duration // stop timeouts, by the last one or two names of a path, or by the whole
	declared map[string][]string      // the children of a supervisor that starts them in order, by its name or path
	begun    map[string]bool          // children that have got beyond starting since their supervisor began
	crashes  map[string]time.Time     // of children that were ready
	restarts []time.Time              // that count for Spec.Intensity of the root
	behind   map[string][]string      // in the final stop: who has to be down before a child is asked to stop
	until    time.Time                // from when on all are asked at once
	final    time.Time                // when the final stop began
	earlier  map[string]int           // runs that the tree had left when it last ended
	broken   []string
}

type watched uint8

const (
	unknown watched = iota
	down
	starting
	running
	stopping
)

func (s watched) String() string {
	return [...]string{"unknown", "down", "starting", "running", "stopping"}[s]
}

const keptLive = 1000

func newWatch(tr *testkit.Tree, keep bool) *watch {
	w := &watch{
		tr: tr, keep: keep,
		counts: make(map[string]uint64), state: make(map[string]watched), left: make(map[string]int),
		asked: make(map[string]time.Time), limits: make(map[string]time.Duration),
		declared: make(map[string][]string), begun: make(map[string]bool), crashes: make(map[string]time.Time),
	}
	w.declare(tr.Sup.Path(), tr.Spec)
	for _, c := range tr.Spec.Children {
		w.begun[tr.Sup.Path()+"/"+c.Name] = true
	}
	w.cancel = tr.Sup.Subscribe(w.add)
	return w
}

// declare says which children a supervisor starts in order, and how long they may
// take to stop. Its name or path does.
func (w *watch) declare(sup string, spec supervisor.Spec) {
	for _, c := range spec.Children {
		w.allow(sup+"/"+c.Name, c.StopTimeout)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !rules.Ordered(spec.Strategy) {
		return
	}
	var names []string
	for _, c := range spec.Children {
		names = append(names, c.Name)
	}
	w.declared[sup] = names
}

// allow says how long a child may take to stop.
func (w *watch) allow(who string, stopTimeout time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case stopTimeout == 0:
		stopTimeout = child.DefaultStopTimeout
	case stopTimeout < 0:
		stopTimeout = 0
	}
	w.limits[who] = stopTimeout
}

// beginAgain says that the root has ended with err, and is about to start again.
func (w *watch) beginAgain(err error) {
	live, _ := w.tr.Injector.Live()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listed(err, live)
	w.earlier = live
	w.begin(w.tr.Sup.Path())
	w.restarts = nil
	clear(w.crashes)
}

// begin forgets how far the children of a supervisor had come.
func (w *watch) begin(sup string) {
	for path := range w.begun {
		if strings.HasPrefix(path, sup+"/") {
			delete(w.begun, path)
		}
	}
}

func (w *watch) fault(format string, args ...any) {
	const most = 20
	if len(w.broken) < most {
		w.broken = append(w.broken, fmt.Sprintf(format, args...))
	}
}

func (w *watch) add(e supervisor.Event) {
	defer w.tr.Injector.Stir()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.keep && len(w.events) == 2*keptLive {
		w.events = append([]supervisor.Event(nil), w.events[keptLive:]...)
	}
	w.events = append(w.events, e)
	w.counts[e.Kind.String()]++
	if e.Lost > 0 {
		w.lost += e.Lost
		clear(w.state)
		clear(w.left)
		clear(w.asked)
		clear(w.declared)
		w.behind = nil
	}
	was, path := w.state[e.Path], e.Path
	wants := func(ok ...watched) {
		for _, s := range append(ok, unknown) {
			if was == s {
				return
			}
		}
		w.fault("%s, which was %v", e.String(), was)
	}
	switch e.Kind {
	case supervisor.EventStarting:
		wants(down)
		w.inOrder(path)
		w.state[path] = starting
		w.begin(path)
		return
	case supervisor.EventReady:
		wants(starting, running)
		w.state[path] = running
	case supervisor.EventStopping:
		wants(starting, running)
		w.inReverse(&e)
		w.state[path], w.asked[path] = stopping, e.Time
	case supervisor.EventAbandoned:
		wants(stopping)
		w.inTime(&e)
		w.state[path] = down
		w.left[path]++
	case supervisor.EventLateExit:
		if w.left[path]--; w.left[path] < 0 && w.lost == 0 {
			w.fault("%s, and it was not abandoned", e.String())
		}
	case supervisor.EventFailed, supervisor.EventCompleted, supervisor.EventStopped:
		w.inTime(&e)
		w.state[path] = down
		delete(w.crashes, path)
		if was == running {
			w.crashes[path] = e.Time
		}
	case supervisor.EventRemoved:
		wants(down)
		delete(w.state, path)
	case supervisor.EventRestarting:
		w.budget(&e)
		return
	default:
		return
	}
	w.begun[path] = true
}

// inOrder checks that those declared before a child have got somewhere before it
// starts.
func (w *watch) inOrder(path string) {
	above, name := cutName(path)
	names, ok := w.declared[above]
	if !ok {
		_, super := cutName(above)
		names = w.declared[super]
	}
	for i, n := range names {
		if n != name {
			continue
		}
		for _, before := range names[:i] {
			if !w.begun[above+"/"+before] {
				w.fault("starting %s, and %s, which is declared before it, has not been ready", path, before)
			}
		}
	}
}

// inTime checks that a child which has stopped has done so within its stop
// timeout. That of a supervisor is for those in it.
func (w *watch) inTime(e *supervisor.Event) {
	since, asked := w.asked[e.Path]
	delete(w.asked, e.Path)
	if !asked || w.tr.Injector.Super(e.Path) != nil {
		return
	}
	above, name := cutName(e.Path)
	_, super := cutName(above)
	for _, known := range []string{e.Path, super + "/" + name, name} {
		limit, ok := w.limits[known]
		if !ok {
			continue
		}
		if took := e.Time.Sub(since); took > limit && (w.keep || took > limit+slackLive) {
			w.fault("%s: it took %v to stop, and its stop timeout is %v", e.String(), took, limit)
		}
		return
	}
}

// slackLive is how late something may be that a timer has to see to.
const slackLive = 2 * time.Second

// untold returns, when the tree has ended, who has been told to start and not to
// end.
func (w *watch) untold() map[string]string {
	apart := make(map[string]string)
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, s := range w.state {
		if s > down {
			apart[path] = fmt.Sprintf("the tree has ended, and the last that was told of %s is that it is %v", path, s)
		}
	}
	return apart
}

// inReverse checks, in the final stop, that those behind a child are down when
// it is asked to stop.
func (w *watch) inReverse(e *supervisor.Event) {
	if w.behind == nil || e.Time.Before(w.final) || !w.until.IsZero() && !e.Time.Before(w.until) {
		return
	}
	for _, later := range w.behind[e.Path] {
		if s := w.state[later]; s == starting || s == running || s == stopping {
			w.fault("stopping %s, and %s, which stands behind it, is not down", e.Path, later)
		}
	}
}

// budget checks that the root restarts no more often than its Intensity permits.
// A crash counts when it happens; a start that failed when its retry is due, so
// that only those without a pause are known to count. Children with a backoff do not.
func (w *watch) budget(e *supervisor.Event) {
	n, period, limited := w.tr.Spec.Intensity.Limit()
	crash, crashed := w.crashes[e.Path]
	delete(w.crashes, e.Path)
	above, _ := cutName(e.Path)
	if !limited || above != w.tr.Sup.Path() || !w.hasNoBackoff(e.Path) {
		return
	}
	at := e.Time
	switch {
	case crashed:
		at = crash
	case e.Delay > 0:
		return
	}
	w.restarts = append(w.restarts, at)
	slices.SortFunc(w.restarts, time.Time.Compare)
	for i := range w.restarts[:max(0, len(w.restarts)-n)] {
		if w.restarts[i+n].Sub(w.restarts[i]) <= period {
			w.fault("%d restarts in %v, and %v are permitted: %s", n+1, w.restarts[i+n].Sub(w.restarts[i]), w.tr.Spec.Intensity, e.String())
			w.restarts = nil
			return
		}
	}
	if most := 2*n + 100; len(w.restarts) > most {
		w.restarts = w.restarts[len(w.restarts)-n-50:]
	}
}

// hasNoBackoff reports whether a child of the root is known to have none.
func (w *watch) hasNoBackoff(path string) bool {
	return w.tr.Spec.Backoff == nil && slices.ContainsFunc(w.tr.Spec.Children, func(s child.Spec) bool {
		return s.Backoff == nil && w.tr.Sup.Path()+"/"+s.Name == path
	})
}

// cutName cuts a path before its last name.
func cutName(path string) (above, name string) {
	i := strings.LastIndex(path, "/")
	return path[:i], path[i+1:]
}

// finalStop says that the root is about to be stopped, and how it stands then. News of
// what happened before may come later.
func (w *watch) finalStop(t supervisor.Tree, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.behind, w.final = make(map[string][]string), now
	if limit := w.tr.Spec.StopTimeout; limit > 0 {
		w.until = now.Add(limit - limit/10)
	}
	var visit func(supervisor.Tree, bool)
	visit = func(t supervisor.Tree, known bool) {
		for i, c := range t.Children {
			if known && rules.Ordered(t.Strategy) {
				for _, later := range t.Children[i+1:] {
					w.behind[c.Path] = append(w.behind[c.Path], later.Path)
				}
			}
			// Other supervisors may have a stop timeout, at the end of which all are
			// asked at once.
			visit(c, strings.HasPrefix(c.Name, addedSupervisor))
		}
	}
	visit(t, true)
}
