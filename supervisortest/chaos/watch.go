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

// A watch checks each event of a tree under Play, and records those that must not come.
// For a child that it does not know, every event is right.
type watch struct {
	tr     *testkit.Tree
	cancel func()
	keep   bool // keep all events for the trace, not only the last ones

	mu       sync.Mutex
	events   []supervisor.Event
	counts   map[string]uint64
	lost     uint64
	state    map[string]watched
	left     map[string]int           // abandoned runs that have not returned
	asked    map[string]time.Time     // when a stopping child was asked to stop
	limits   map[string]time.Duration // stop timeouts, by the last one or two names of a path, or by the whole
	declared map[string][]string      // the children of a supervisor that starts them in order, by its name or path
	needs    map[string][]string      // what a child of a Graph supervisor needs, by the last two names of its path
	begun    map[string]bool          // children that have come beyond starting since their supervisor started
	crashes  map[string]time.Time     // the last crash of a child that was ready
	restarts []time.Time              // those that count for Spec.Intensity of the root
	behind   map[string][]string      // in the final stop: the children that must be down before a child is asked to stop
	until    time.Time                // from then on all are asked to stop at once
	final    time.Time                // when the final stop began
	earlier  map[string]int           // live runs when the tree last ended
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
		asked: make(map[string]time.Time), limits: make(map[string]time.Duration), needs: make(map[string][]string),
		declared: make(map[string][]string), begun: make(map[string]bool), crashes: make(map[string]time.Time),
	}
	w.declare(tr.Sup.Path(), tr.Spec)
	for _, c := range tr.Spec.Children {
		w.begun[tr.Sup.Path()+"/"+c.Name] = true
	}
	w.cancel = tr.Sup.Subscribe(w.add)
	return w
}

// declare records which children a supervisor, given by its name or path, starts in order,
// and how long they may take to stop.
func (w *watch) declare(sup string, spec supervisor.Spec) {
	for _, c := range spec.Children {
		w.allow(sup+"/"+c.Name, c.StopTimeout)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range spec.Children {
		_, name := cutName("/" + sup)
		w.needs[name+"/"+c.Name] = c.Needs
	}
	if !rules.Ordered(spec.Strategy) {
		return
	}
	var names []string
	for _, c := range spec.Children {
		names = append(names, c.Name)
	}
	w.declared[sup] = names
}

// allow records how long a child may take to stop.
func (w *watch) allow(name string, stopTimeout time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case stopTimeout == 0:
		stopTimeout = child.DefaultStopTimeout
	case stopTimeout < 0:
		stopTimeout = 0
	}
	w.limits[name] = stopTimeout
}

// beginAgain records that the root has ended with err and is about to start again.
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

// begin forgets which children of a supervisor have come beyond starting.
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
		w.fault("%s, but it was %v", e.String(), was)
	}
	switch e.Kind {
	case supervisor.EventStarting:
		wants(down)
		w.inOrder(path)
		w.afterNeeds(path)
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
			w.fault("%s, but it was not abandoned", e.String())
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

// inOrder checks that the children declared before a child have come beyond starting when
// it starts.
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
				w.fault("starting %s, but %s, which is declared before it, has not been ready", path, before)
			}
		}
	}
}

// afterNeeds checks that what a child needs neither starts nor stops when it starts.
func (w *watch) afterNeeds(path string) {
	above, name := cutName(path)
	_, super := cutName(above)
	for _, need := range w.needs[super+"/"+name] {
		if s := w.state[above+"/"+need]; s == starting || s == stopping {
			w.fault("starting %s, but %s, which it needs, is %v", path, need, s)
		}
	}
}

// inTime checks that a child has stopped within its stop timeout. A supervisor's own
// timeout limits its children, so supervisors are not checked.
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
			w.fault("%s: it took %v to stop, but its stop timeout is %v", e.String(), took, limit)
		}
		return
	}
}

// slackLive is how late a timer may be in real time.
const slackLive = 2 * time.Second

// withoutEnd returns, when the tree has ended, the children whose events have a start and
// no end.
func (w *watch) withoutEnd() map[string]string {
	apart := make(map[string]string)
	w.mu.Lock()
	defer w.mu.Unlock()
	for path, s := range w.state {
		if s > down {
			apart[path] = fmt.Sprintf("the tree has ended, but by its last event %s is %v", path, s)
		}
	}
	return apart
}

// inReverse checks, in the final stop, that the children declared after a child are down
// when it is asked to stop.
func (w *watch) inReverse(e *supervisor.Event) {
	if w.behind == nil || e.Time.Before(w.final) || !w.until.IsZero() && !e.Time.Before(w.until) {
		return
	}
	for _, later := range w.behind[e.Path] {
		if s := w.state[later]; s == starting || s == running || s == stopping {
			w.fault("stopping %s, but %s, which must stop before it, is not down", e.Path, later)
		}
	}
}

// budget checks that the root does not restart more often than its Intensity permits. A
// crash counts when it happens. A failed start counts when its retry is due, so only one
// without a delay is known to count. Restarts of children with a backoff do not count.
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
			w.fault("%d restarts in %v, but %v are permitted: %s", n+1, w.restarts[i+n].Sub(w.restarts[i]), w.tr.Spec.Intensity, e.String())
			w.restarts = nil
			return
		}
	}
	if most := 2*n + 100; len(w.restarts) > most {
		w.restarts = w.restarts[len(w.restarts)-n-50:]
	}
}

// hasNoBackoff reports whether a child of the root is known to have no backoff.
func (w *watch) hasNoBackoff(path string) bool {
	return w.tr.Spec.Backoff == nil && slices.ContainsFunc(w.tr.Spec.Children, func(s child.Spec) bool {
		return s.Backoff == nil && w.tr.Sup.Path()+"/"+s.Name == path
	})
}

// cutName splits a path before its last name.
func cutName(path string) (above, name string) {
	i := strings.LastIndex(path, "/")
	return path[:i], path[i+1:]
}

// finalStop records that the root is about to be stopped, with its snapshot. Events of
// what happened before may still come.
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
			for _, before := range slices.Concat(c.Needs, c.After) {
				if known {
					w.behind[t.Path+"/"+before] = append(w.behind[t.Path+"/"+before], c.Path)
				}
			}
			// Other supervisors may have a stop timeout, after which they ask all
			// children to stop at once.
			visit(c, strings.HasPrefix(c.Name, addedSupervisor))
		}
	}
	visit(t, true)
}
