package machine

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// The machine is deterministic, so every order in which events can come to a
// small tree can be tried: that is what is done here. An environment (world) does
// what the shell does and no more: it keeps the runs that have been launched and
// have not returned, abandoned ones too, the timers that are set, those that were
// cleared too late, the delays that were asked for and the callers that wait.
// From each state each thing that may happen next is tried, and after each the
// invariants (explore_rules_test.go) are checked. States that are alike in all
// that matters are visited once.

// A scene is a small tree and what may happen to it.
type scene struct {
	name  string
	conf  Config
	specs []child.Spec
	add   []child.Spec // what StartChild may add
	inner *scene       // what runs in the first child; nil: it is a worker
	ends  []Outcome    // how a run may end by itself
	calls int          // how many requests may come
	halts bool         // whether the time for the stop may run out
	pause bool         // whether Suspend and Resume may come
}

// goer is a run that has been launched and has not returned.
type goer struct {
	c         *Child
	run       uint64
	called    bool // it has called Ready
	ready     bool // and that was in time
	cancelled bool
	abandoned bool
	linked    bool   // the supervisor above knows of the one inside
	inner     *world // the supervisor inside
}

type timerAt struct {
	c    *Child
	run  uint64
	kind Timer
}

// A world is the machine and all that is around it.
type world struct {
	scene   *scene
	m       *Machine
	goers   []goer
	timers  []timerAt // set
	stale   []timerAt // cleared, and perhaps in flight
	asked   []*Child
	waiting map[int]bool // callers without an answer
	callers int
	calls   int      // requests that may still come
	granted int      // restarts that cost something, by the explorer's own count
	attempt []*Child // those whose start has failed: its retry will cost when it is due
	failure string
	upSeen  bool
	over    bool
	upTold  bool // the Ready of this world's own run was brought to the world above
	trace   []string
}

func newWorld(s *scene) *world {
	w := &world{scene: s, m: New(s.conf), calls: s.calls, waiting: map[int]bool{}}
	w.do("boot", func() []Action { return w.m.Boot(s.specs, 0) })
	return w
}

func (w *world) clone() *world {
	to := make(map[*Child]*Child)
	at := func(c *Child) *Child {
		if c == nil {
			return nil
		}
		if to[c] == nil {
			dup := *c
			to[c] = &dup
		}
		return to[c]
	}
	n := *w
	m := *w.m
	n.m = &m
	m.first, m.last = at(m.first), at(m.last)
	m.cur, m.from, m.leader, m.ended = at(m.cur), at(m.from), at(m.leader), at(m.ended)
	m.end.Child = at(m.end.Child)
	m.names = make(map[string]*Child, len(w.m.names))
	for c := w.m.first; c != nil; c = c.next {
		d := at(c)
		d.prev, d.next = at(c.prev), at(c.next)
		m.names[c.Name] = d
	}
	m.window = cloneWindow(w.m)
	m.waiters = make(map[*Child][]waiter, len(w.m.waiters))
	for c, ws := range w.m.waiters {
		m.waiters[at(c)] = slices.Clone(ws)
	}
	m.out = nil
	n.goers = slices.Clone(w.goers)
	for i := range n.goers {
		n.goers[i].c = at(n.goers[i].c)
		if n.goers[i].inner != nil {
			n.goers[i].inner = n.goers[i].inner.clone()
		}
	}
	n.timers = slices.Clone(w.timers)
	for i := range n.timers {
		n.timers[i].c = at(n.timers[i].c)
	}
	n.stale = slices.Clone(w.stale)
	for i := range n.stale {
		n.stale[i].c = at(n.stale[i].c)
	}
	n.attempt = slices.Clone(w.attempt)
	for i := range n.attempt {
		n.attempt[i] = at(n.attempt[i])
	}
	n.asked = slices.Clone(w.asked)
	for i := range n.asked {
		n.asked[i] = at(n.asked[i])
	}
	n.waiting = make(map[int]bool, len(w.waiting))
	for k := range w.waiting {
		n.waiting[k] = true
	}
	n.trace = slices.Clip(w.trace)
	return &n
}

// cloneWindow makes a window that has let pass as many restarts: time stands
// still here, so their number is all there is to a window.
func cloneWindow(m *Machine) strategy.Window {
	window := m.conf.Intensity.NewWindow()
	for range m.window.Count() {
		window.Add(0)
	}
	return window
}

// key is the state without what does not matter: absolute run numbers and
// positions, and the numbers of callers. The counts of runs that were left behind
// are in it on demand.
func (w *world) key(h *maphash.Hash, leftBehind bool) {
	var b [8]byte
	num := func(ns ...int) {
		for _, n := range ns {
			binary.LittleEndian.PutUint32(b[:], uint32(n))
			h.Write(b[:4])
		}
	}
	flag := func(bs ...bool) {
		n := 0
		for _, b := range bs {
			n = n<<1 | count(b)
		}
		num(n)
	}
	index := map[*Child]int{nil: -1}
	order := []*Child{}
	note := func(c *Child) {
		if _, ok := index[c]; !ok {
			index[c] = len(order)
			order = append(order, c)
		}
	}
	for c := w.m.first; c != nil; c = c.next {
		note(c)
	}
	for _, g := range w.goers {
		note(g.c)
	}
	for _, t := range w.stale {
		note(t.c)
	}
	for _, c := range w.asked {
		note(c)
	}
	m := w.m
	num(int(m.phase), int(m.lane), index[m.cur], index[m.from], index[m.leader], m.live, m.booting, m.window.Count(), w.granted, w.calls, int(m.end.Kind))
	flag(m.suspended, m.ended != nil, w.upTold)
	for _, c := range order {
		h.WriteString(c.Name)
		num(int(c.state), int(c.origin), int(c.then), int(c.armed))
		if leftBehind {
			num(c.Abandoned)
		}
		flag(c.taken, c.charged, c.boot, c.halted, c.asking, c.healthy, c.held, c.hung, c.left, c.linked, c.Nested, c.run == 0)
		for _, x := range m.waiters[c] {
			flag(x.start)
		}
		num(-2)
	}
	num(len(w.goers))
	for _, g := range w.goers {
		num(index[g.c], count(g.run == g.c.run))
		flag(g.called, g.ready, g.cancelled, g.abandoned, g.linked)
		if g.inner != nil {
			g.inner.key(h, leftBehind)
		}
	}
	for _, t := range w.stale {
		num(index[t.c], int(t.kind), count(t.run == t.c.run))
	}
	for _, c := range w.asked {
		num(index[c])
	}
}

// A move is one thing that may happen next.
type move struct {
	name string
	do   func(*world)
}

// moves returns all that may happen next.
func (w *world) moves() []move {
	var all []move
	add := func(name string, do func(*world)) { all = append(all, move{name, do}) }
	for i, g := range w.goers {
		id := fmt.Sprintf("%s#%d", g.c.Name, g.run)
		if g.inner != nil {
			w.innerMoves(i, id, add)
			continue
		}
		if !g.called {
			add("ready "+id, func(w *world) {
				g := &w.goers[i]
				g.called, g.ready = true, !g.abandoned && !g.cancelled
				event := func() []Action { return w.m.Ready(g.c, g.run, 0) }
				if g.ready {
					w.do("ready "+id, event)
				} else {
					w.dropped("late ready "+id, event)
				}
			})
		}
		ends := w.scene.ends
		if g.cancelled || g.abandoned {
			ends = ends[:1] // how it ends makes no difference then
		}
		for _, out := range ends {
			name := fmt.Sprintf("exit %s %v", id, outcomeNames[out.Kind])
			add(name, func(w *world) { w.exit(i, name, out) })
		}
	}
	for i, t := range w.timers {
		name := fmt.Sprintf("timer %s#%d %s", t.c.Name, t.run, timerNames[t.kind])
		add(name, func(w *world) { w.goesOff(i, name, 0) })
		if limit, limited := t.c.StopTimeout(); t.kind == StopTimer && limited && t.c.Nested {
			name += " for good"
			add(name, func(w *world) { w.goesOff(i, name, limit) })
		}
	}
	for i, t := range w.stale {
		name := fmt.Sprintf("late timer %s#%d %s", t.c.Name, t.run, timerNames[t.kind])
		add(name, func(w *world) {
			t := w.stale[i]
			w.stale = slices.Delete(slices.Clone(w.stale), i, i+1)
			if t.c.run == t.run && t.c.armed == t.kind {
				return // the shell knows it from the new one
			}
			w.dropped(name, func() []Action { return w.m.Timer(t.c, t.run, t.kind, 0) })
		})
	}
	for i, c := range w.asked {
		for _, d := range []time.Duration{0, time.Second, -1} {
			name := fmt.Sprintf("delay %s %v", c.Name, d)
			add(name, func(w *world) {
				c := w.asked[i]
				w.asked = slices.Delete(slices.Clone(w.asked), i, i+1)
				w.do(name, func() []Action { return w.m.Delay(c, d, 0) })
			})
		}
	}
	if w.m.phase == Closing && w.scene.halts {
		add("hasten", func(w *world) { w.do("hasten", func() []Action { return w.m.Hasten(0) }) })
		add("halt", func(w *world) { w.do("halt", func() []Action { return w.m.Halt(0) }) })
	}
	if w.calls > 0 && w.m.phase < Over {
		w.requests(add)
	}
	return all
}

func (w *world) requests(add func(string, func(*world))) {
	request := func(name string, do func(w *world, who int) []Action) {
		add(name, func(w *world) {
			w.calls--
			w.callers++
			who := w.callers
			w.waiting[who] = true
			w.do(name, func() []Action { return do(w, who) })
		})
	}
	for c := w.m.first; c != nil; c = c.next {
		n := c.Name
		stop := func(forget bool) func(w *world, who int) []Action {
			return func(w *world, who int) []Action {
				c := w.m.Child(n)
				acts := w.m.Stop(c, forget, who, 0)
				if m := w.m; m.phase < Closing && c.linked &&
					(c.state != child.Stopping && c.state.Alive() || c.state == child.Waiting || c.then == thenAgain || c.taken) {
					w.fail("a stop takes back a start: %s", n)
				}
				return acts
			}
		}
		request("stop "+n, stop(false))
		request("remove "+n, stop(true))
		request("restart "+n, func(w *world, who int) []Action { return w.m.Restart(w.m.Child(n), who, 0) })
	}
	for _, spec := range w.scene.add {
		if w.m.Child(spec.Name) == nil {
			request("add "+spec.Name, func(w *world, who int) []Action {
				_, acts := w.m.Add(spec, who, 0)
				return acts
			})
		}
	}
	if w.m.phase < Closing {
		add("close", func(w *world) {
			w.calls--
			w.do("close", func() []Action { return w.m.Close(0) })
		})
		if w.scene.pause {
			add("suspend", func(w *world) {
				w.calls--
				w.do("suspend", func() []Action { return w.m.Suspend(0) })
			})
		}
	}
	// Resume is free, so that a world is never suspended for ever.
}

// innerMoves are the moves of a world that runs in a child.
func (w *world) innerMoves(i int, id string, add func(string, func(*world))) {
	g := w.goers[i]
	if !g.linked {
		add("link "+id, func(w *world) {
			g := &w.goers[i]
			g.linked = true
			w.do("link "+id, func() []Action { return w.m.Linked(g.c, g.run, 0) })
		})
		return
	}
	for _, mv := range g.inner.moves() {
		add(id+"/"+mv.name, func(w *world) {
			inner := w.goers[i].inner
			mv.do(inner)
			w.trace = append(w.trace, id+"/"+mv.name)
			if inner.failure != "" {
				w.fail("inside %s: %s", id, inner.failure)
			}
		})
	}
	switch {
	case g.inner.over:
		out := Outcome{Kind: Normal}
		switch end := g.inner.m.end; {
		case end.Kind.GaveUp():
			out = Outcome{Kind: Shutdown, Err: errWorld, GaveUp: true}
		case end.Kind == EndStart:
			out = Outcome{Kind: Failure, Err: errWorld}
		}
		name := "over " + id
		add(name, func(w *world) {
			g := w.goers[i]
			w.do("unlink "+id, func() []Action { return w.m.Unlinked(g.c, g.run, 0) })
			w.exit(i, name, out)
		})
	case g.inner.upSeen && !g.inner.upTold:
		add("up "+id, func(w *world) {
			g := &w.goers[i]
			g.inner = g.inner.clone()
			g.inner.upTold, g.ready = true, true
			w.do("up "+id, func() []Action { return w.m.Ready(g.c, g.run, 0) })
		})
	}
	if g.cancelled && g.inner.m.phase < Closing {
		add("close "+id, func(w *world) {
			inner := w.goers[i].inner
			inner.do("close from above", func() []Action { return inner.m.Close(0) })
			w.trace = append(w.trace, "close "+id)
		})
	}
}

// goesOff brings the news of a timer. Time stands still but for the wait.
func (w *world) goesOff(i int, name string, wait time.Duration) {
	t := w.timers[i]
	w.timers = slices.Delete(slices.Clone(w.timers), i, i+1)
	w.do(name, func() []Action { return w.m.Timer(t.c, t.run, t.kind, t.c.Since+wait) })
	if t.kind != RetryTimer {
		return
	}
	if i := slices.Index(w.attempt, t.c); i >= 0 {
		w.attempt = slices.Delete(w.attempt, i, i+1)
		w.grant()
	}
	if t.c.state == child.Waiting && (t.c.armed == RetryTimer || t.c.asking) {
		w.fail("a restart that is due is not put off: %s", t.c.Name)
	}
}

func (w *world) exit(i int, name string, out Outcome) {
	g := w.goers[i]
	w.goers = slices.Delete(slices.Clone(w.goers), i, i+1)
	if !g.abandoned {
		taken := g.c.taken
		w.do(name, func() []Action {
			acts := w.m.Exited(g.c, g.run, out, 0)
			for _, a := range acts {
				if taken && a.Kind == Tell && a.Note == Failed {
					w.fail("the end of a child that its group takes down is no failure: %s", g.c.Name)
				}
			}
			if !taken {
				w.charge(g, acts)
			}
			return acts
		})
		return
	}
	abandoned := g.c.Abandoned
	w.dropped(name, func() []Action { return w.m.Exited(g.c, g.run, out, 0) })
	if g.c.Abandoned != abandoned-1 {
		w.fail("%s: the count of abandoned runs went from %d to %d", name, abandoned, g.c.Abandoned)
	}
}

// do steps the machine and does what it says.
func (w *world) do(name string, event func() []Action) {
	w.trace = append(w.trace, name)
	before := w.look()
	acts := slices.Clone(event())
	for _, a := range acts {
		w.carryOut(a)
	}
	w.check(before, acts)
}

// dropped steps the machine with news that must change nothing.
func (w *world) dropped(name string, event func() []Action) {
	w.trace = append(w.trace, name)
	var h1, h2 maphash.Hash
	h1.SetSeed(seed)
	h2.SetSeed(seed)
	w.key(&h1, false)
	acts := event()
	w.key(&h2, false)
	if h1.Sum64() != h2.Sum64() {
		w.fail("late news is dropped: %s changed something", name)
	}
	for _, a := range acts {
		if a.Kind != Tell || a.Note != LateExit {
			w.fail("late news is dropped: %s led to %s", name, describe(a))
		}
	}
}

func (w *world) carryOut(a Action) {
	at := func() int {
		return slices.IndexFunc(w.goers, func(g goer) bool { return g.c == a.Child && g.run == a.Run && !g.abandoned })
	}
	switch a.Kind {
	case Launch:
		g := goer{c: a.Child, run: a.Run}
		w.goers = append(slices.Clone(w.goers), g)
		w.attempt = slices.DeleteFunc(w.attempt, func(c *Child) bool { return c == a.Child })
		if w.scene.inner != nil && a.Child.Name == w.scene.specs[0].Name {
			w.goers[len(w.goers)-1].inner = newWorld(w.scene.inner)
		}
	case Cancel:
		i := at()
		if i < 0 {
			w.fail("a run that is cancelled is there: %s", describe(a))
			return
		}
		if w.goers[i].cancelled {
			w.fail("a run is cancelled once: %s", describe(a))
		}
		w.goers = slices.Clone(w.goers)
		w.goers[i].cancelled = true
	case Abandon:
		i := at()
		if i < 0 {
			w.fail("a run that is abandoned is there: %s", describe(a))
			return
		}
		if w.goers[i].linked && !w.goers[i].inner.over {
			w.fail("a supervisor is never abandoned: %s", describe(a))
		}
		w.goers = slices.Clone(w.goers)
		w.goers[i].abandoned = true
	case Halt, Hasten:
		i := at()
		if i < 0 || w.goers[i].inner == nil {
			return
		}
		w.goers = slices.Clone(w.goers)
		inner := w.goers[i].inner.clone()
		w.goers[i].inner = inner
		if a.Kind == Halt {
			inner.do("halt from above", func() []Action { return inner.m.Halt(0) })
		} else {
			inner.do("hasten from above", func() []Action { return inner.m.Hasten(0) })
		}
	case Arm:
		w.drop(a.Child)
		w.timers = append(slices.Clone(w.timers), timerAt{a.Child, a.Run, a.Timer})
	case Disarm:
		w.drop(a.Child)
	case Ask:
		if slices.Contains(w.asked, a.Child) {
			w.fail("a backoff is asked once at a time: %s", a.Child.Name)
		}
		w.asked = append(slices.Clone(w.asked), a.Child)
	case Answer:
		who := a.Waiter.(int)
		if !w.waiting[who] {
			w.fail("a caller gets one answer: caller %d got another", who)
		}
		delete(w.waiting, who)
	case IsUp:
		w.upSeen = true
	case IsOver:
		w.over = true
	}
}

// drop clears the timer of a child; it may be in flight already.
func (w *world) drop(c *Child) {
	w.timers = slices.Clone(w.timers)
	for i, t := range w.timers {
		if t.c == c {
			w.timers = slices.Delete(w.timers, i, i+1)
			if len(w.stale) < 1 { // more of them add nothing
				w.stale = append(slices.Clone(w.stale), t)
			}
			return
		}
	}
}

func (w *world) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
	}
}

var seed = maphash.MakeSeed()

// explore walks all states of a scene, in the order of their distance from the
// start, up to a number of states.
func explore(s *scene, limit int) (states, depth int, failure string) {
	type at struct {
		w     *world
		depth int
	}
	seen := map[uint64]struct{}{}
	fresh := func(w *world) bool {
		var h maphash.Hash
		h.SetSeed(seed)
		w.key(&h, true)
		k := h.Sum64()
		if _, ok := seen[k]; ok {
			return false
		}
		seen[k] = struct{}{}
		return true
	}
	first := newWorld(s)
	queue := []at{{first, 0}}
	fresh(first)
	for len(queue) > 0 && len(seen) < limit {
		here := queue[0]
		queue[0] = at{}
		queue = queue[1:]
		depth = here.depth
		if here.w.failure != "" {
			return len(seen), depth, here.w.report()
		}
		moves := here.w.moves()
		if here.w.m.suspended {
			moves = append(moves, move{"resume", func(w *world) {
				w.do("resume", func() []Action { return w.m.Resume(0) })
			}})
		}
		if bad := here.w.stuck(len(moves)); bad != "" {
			here.w.fail("%s", bad)
			return len(seen), depth, here.w.report()
		}
		for _, mv := range moves {
			next := here.w.clone()
			mv.do(next)
			if next.failure != "" {
				return len(seen), depth + 1, next.report()
			}
			if fresh(next) {
				queue = append(queue, at{next, here.depth + 1})
			}
		}
	}
	return len(seen), depth, ""
}

func (w *world) report() string {
	return w.failure + "\nafter:\n  " + strings.Join(w.trace, "\n  ") + "\nin:\n" + w.describe()
}

// exploreStates is how many states each scene is explored to: EXPLORE=n tells.
func exploreStates(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("EXPLORE")); err == nil {
		return n
	}
	if testing.Short() || raceEnabled {
		return 2_000
	}
	return 5_000
}

func TestExploreEveryOrderOfEvents(t *testing.T) {
	limit := exploreStates(t)
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			states, depth, failure := explore(s, limit)
			if failure != "" {
				t.Fatal(failure)
			}
			t.Logf("%d states, %d deep", states, depth)
		})
	}
}
