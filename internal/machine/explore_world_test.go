package machine

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
)

// A liveRun is a run that has been launched and has not returned.
type liveRun struct {
	c         *Child
	run       uint64
	called    bool // it has called Ready
	ready     bool // and the run was not stopped yet
	cancelled bool
	abandoned bool
	linked    bool   // Linked has come for the supervisor in it
	inner     *world // the supervisor in it
}

type timerAt struct {
	c    *Child
	run  uint64
	kind Timer
}

// A world is a machine and everything around it.
type world struct {
	scene      *scene
	m          *Machine
	runs       []liveRun
	timers     []timerAt // set
	stale      []timerAt // cleared, but may have fired already
	backoffs   []*Child
	waiting    []int // callers without an answer
	replaced   map[int]*replacement
	callers    int
	calls      int      // requests that may still be made
	granted    int      // restarts that count towards the intensity, as the explorer counts them
	attempt    []*Child // children whose start has failed: the retry is charged when it is due
	failure    string
	upSeen     bool
	over       bool
	continues  int      // how often Continue will still be called
	upReported bool     // Ready has come to the parent of this world
	trace      *event   // the latest one
	keeps      bool     // whether actions are added to kept
	kept       []Action // of the moves since it was cleared
}

// An event is one that has come to a world, after others.
type event struct {
	name   string
	before *event
}

func (e *event) then(name string) *event { return &event{name, e} }

// names returns the names of all events up to e.
func (e *event) names() (all []string) {
	for ; e != nil; e = e.before {
		all = append(all, e.name)
	}
	slices.Reverse(all)
	return all
}

func newWorld(s *scene) *world {
	w := &world{scene: s, m: New(s.conf), calls: s.calls}
	if s.replaces {
		w.replaced = map[int]*replacement{}
	}
	if w.m.batchSize = 1; s.whole {
		w.m.batchSize = BatchSize
	}
	w.m.fewNames = 2
	w.do("boot", func() { w.m.Boot(s.specs, nil, 0) })
	return w
}

func (w *world) clone() *world {
	// There are few children, so lists are faster than maps.
	copies := make([]Child, 0, w.m.specs)
	from, to := make([]*Child, 0, w.m.specs+2), make([]*Child, 0, w.m.specs+2)
	waiters := make(map[*Waiter]*Waiter)
	at := func(c *Child) *Child {
		if c == nil {
			return nil
		}
		if i := slices.Index(from, c); i >= 0 {
			return to[i]
		}
		var dup *Child
		if len(copies) < cap(copies) {
			copies = append(copies, *c)
			dup = &copies[len(copies)-1]
		} else { // it was removed, but its run has not returned
			kept := *c
			dup = &kept
		}
		from, to = append(from, c), append(to, dup)
		if c.failures != nil {
			kept := *c.failures
			dup.failures = &kept
		}
		dup.lastWaiter = nil
		for w := range c.eachWaiter {
			waiters[w] = &Waiter{Owner: w.Owner, takenBack: w.takenBack, down: w.down}
			dup.addWaiter(waiters[w], w.start)
		}
		return dup
	}
	n := *w
	m := *w.m
	n.m = &m
	m.first, m.last = at(m.first), at(m.last)
	m.cursor, m.firstMarked, m.waitsFor, m.endedInBoot = at(m.cursor), at(m.firstMarked), at(m.waitsFor), at(m.endedInBoot)
	m.end.Child = at(m.end.Child)
	m.sweep.next = at(m.sweep.next)
	if w.m.names != nil {
		m.names = make(map[string]*Child, len(w.m.names))
	}
	for c := w.m.first; c != nil; c = c.next {
		d := at(c)
		d.prev, d.next = at(c.prev), at(c.next)
		if m.names != nil {
			m.names[c.Name()] = d
		}
	}
	if w.m.trials != nil {
		m.trials = make(map[*Child]*trial, len(w.m.trials))
		for c, t := range w.m.trials {
			kept := *t
			m.trials[at(c)] = &kept
			kept.caller = waiters[t.caller]
		}
	}
	m.graph = w.m.graph.clone(at)
	m.window = cloneWindow(w.m)
	m.out = m.room[:0]
	n.runs = slices.Clone(w.runs)
	for i := range n.runs {
		n.runs[i].c = at(n.runs[i].c)
		if n.runs[i].inner != nil {
			n.runs[i].inner = n.runs[i].inner.clone()
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
	n.backoffs = slices.Clone(w.backoffs)
	for i := range n.backoffs {
		n.backoffs[i] = at(n.backoffs[i])
	}
	n.waiting = slices.Clone(w.waiting)
	n.replaced = maps.Clone(w.replaced)
	n.kept = nil
	return &n
}

// cloneWindow returns a window with as many restarts. Time stands still here, so their
// number is the whole state of a window.
func cloneWindow(m *Machine) rules.Window {
	window := rules.NewWindow(m.conf.Intensity)
	for range m.window.Count() {
		window.Add(0)
	}
	return window
}

// key hashes the state without what does not matter: absolute run numbers and positions,
// and the numbers of callers. The counts of abandoned runs are part of it if abandoned is
// true.
func (w *world) key(h *maphash.Hash, abandoned bool) {
	var room [1024]byte
	b := room[:0]
	num := func(ns ...int) {
		for _, n := range ns {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
	}
	flag := func(bs ...bool) {
		n := 0
		for _, b := range bs {
			n = n<<1 | count(b)
		}
		num(n)
	}
	order := make([]*Child, 0, 8)
	index := func(c *Child) int { return slices.Index(order, c) } // -1 for nil
	note := func(c *Child) {
		if index(c) < 0 {
			order = append(order, c)
		}
	}
	for c := w.m.first; c != nil; c = c.next {
		note(c)
	}
	for _, g := range w.runs {
		note(g.c)
	}
	for _, t := range w.stale {
		note(t.c)
	}
	for _, c := range w.backoffs {
		note(c)
	}
	m := w.m
	num(int(m.phase), int(m.op), index(m.cursor), index(m.firstMarked), index(m.waitsFor), m.live, m.booting, m.window.Count(), w.granted, w.calls, int(m.end.Kind), w.continues, int(m.sweep.what), index(m.sweep.next))
	flag(m.suspended, m.endedInBoot != nil, w.upReported)
	for _, c := range order {
		b = append(b, c.Name()...)
		num(int(c.state), int(c.origin), int(c.afterStop), int(c.armed), int(c.Spec.Restart))
		if abandoned {
			num(c.Failures().Abandoned)
		}
		if w.scene.edges != nil {
			b = fmt.Append(b, c.Spec.Needs, c.Spec.After)
		}
		flag(c.marked, c.charged, c.bootPending, c.sent&cancelAllSent != 0, c.sent&abandonAllSent != 0, c.backoffAsked, c.healthy, c.held, c.hung, c.leftStopped, w.m.isPresent(c), c.Nested, c.run == 0, c.Declared, m.hasBackoff(c))
		for x := range c.eachWaiter {
			flag(x.start, x.takenBack != nil, w.replaced[x.Owner.(int)] != nil)
		}
		if t := m.trials[c]; t != nil {
			flag(t.old != nil, t.back, t.down, t.ignored, t.lost)
			num(int(t.origin), int(t.state))
		}
		num(-2)
	}
	m.graph.key(num, order, index)
	num(len(w.runs))
	for _, g := range w.runs {
		num(index(g.c), count(g.run == g.c.run))
		flag(g.called, g.ready, g.cancelled, g.abandoned, g.linked)
		if g.inner != nil {
			g.inner.key(h, abandoned)
		}
	}
	for _, t := range w.stale {
		num(index(t.c), int(t.kind), count(t.run == t.c.run))
	}
	for _, c := range w.backoffs {
		num(index(c))
	}
	h.Write(b)
}

// timerFires fires a timer. Time stands still except for the wait.
func (w *world) timerFires(i int, name string, wait time.Duration) {
	t := w.timers[i]
	w.timers = slices.Delete(w.timers, i, i+1)
	w.do(name, func() { w.m.Timer(t.c, t.run, t.kind, t.c.Since+wait) })
	if t.kind != RetryTimer {
		return
	}
	if i := slices.Index(w.attempt, t.c); i >= 0 {
		w.attempt = slices.Delete(w.attempt, i, i+1)
		w.grant(t.c)
	}
	if t.c.state == child.Waiting && (t.c.armed == RetryTimer || t.c.backoffAsked) {
		w.fail("a restart that is due is not delayed: %s", t.c.Name())
	}
}

func (w *world) exit(i int, name string, out Outcome) {
	g := w.runs[i]
	w.runs = slices.Delete(w.runs, i, i+1)
	if !g.abandoned {
		marked, state, by := g.c.marked || w.m.mustStop(g.c), g.c.state, g.c.origin
		acts := w.do(name, func() { w.m.Exited(g.c, g.run, out, 0) })
		for _, a := range acts {
			if marked && a.Kind == Publish && a.Event == Failed {
				w.fail("the end of a child that stops with its group is no failure: %s", g.c.Name())
			}
		}
		if !marked {
			w.charge(g, acts)
			w.checkKept(g, state, by)
		}
		return
	}
	abandoned := g.c.Failures().Abandoned
	w.dropped(name, func() { w.m.Exited(g.c, g.run, out, 0) })
	if g.c.Failures().Abandoned != abandoned-1 {
		w.fail("%s: the count of abandoned runs went from %d to %d", name, abandoned, g.c.Failures().Abandoned)
	}
}

// do sends an event to the machine, carries out the actions and returns them.
func (w *world) do(name string, event func()) []Action {
	w.trace = w.trace.then(name)
	before := w.look()
	event()
	acts := drain(w.m)
	if w.keeps {
		w.kept = append(w.kept, acts...)
	}
	for _, a := range acts {
		w.carryOut(a)
	}
	w.check(before, acts)
	return acts
}

// dropped sends the machine an event that must change nothing.
func (w *world) dropped(name string, event func()) {
	w.trace = w.trace.then(name)
	var h1, h2 maphash.Hash
	h1.SetSeed(seed)
	h2.SetSeed(seed)
	w.key(&h1, false)
	event()
	w.key(&h2, false)
	if h1.Sum64() != h2.Sum64() {
		w.fail("a late event is dropped: %s changed something", name)
	}
	for _, a := range drain(w.m) {
		if a.Kind != Publish || a.Event != LateExit {
			w.fail("a late event is dropped: %s led to %s", name, describe(a))
		}
	}
}

func (w *world) carryOut(a Action) {
	at := func() int {
		return slices.IndexFunc(w.runs, func(g liveRun) bool { return g.c == a.Child && g.run == a.Run && !g.abandoned })
	}
	switch a.Kind {
	case Launch:
		g := liveRun{c: a.Child, run: a.Run}
		w.runs = append(w.runs, g)
		w.attempt = slices.DeleteFunc(w.attempt, func(c *Child) bool { return c == a.Child })
		if w.scene.inner != nil && a.Child.Name() == w.scene.specs[0].Name {
			w.runs[len(w.runs)-1].inner = newWorld(w.scene.inner)
		}
	case Cancel:
		i := at()
		if i < 0 {
			w.fail("a run that is cancelled exists: %s", describe(a))
			return
		}
		if w.runs[i].cancelled {
			w.fail("a run is cancelled once: %s", describe(a))
		}
		w.runs[i].cancelled = true
	case Abandon:
		i := at()
		if i < 0 {
			w.fail("a run that is abandoned exists: %s", describe(a))
			return
		}
		if w.runs[i].linked && !w.runs[i].inner.over {
			w.fail("a supervisor is never abandoned: %s", describe(a))
		}
		w.runs[i].abandoned = true
	case AbandonAll, CancelAll:
		i := at()
		if i < 0 || w.runs[i].inner == nil {
			return
		}
		inner := w.runs[i].inner
		if a.Kind == AbandonAll {
			inner.do("abandon-all from above", func() { inner.m.AbandonAll(0) })
		} else {
			inner.do("cancel-all from above", func() { inner.m.CancelAll(0) })
		}
	case Arm:
		w.drop(a.Child)
		w.timers = append(w.timers, timerAt{a.Child, a.Run, a.Timer})
	case Disarm:
		w.drop(a.Child)
	case NextBackoff:
		if slices.Contains(w.backoffs, a.Child) {
			w.fail("a backoff is asked once at a time: %s", a.Child.Name())
		}
		w.backoffs = append(w.backoffs, a.Child)
	case Answer:
		who := a.Waiter.Owner.(int)
		i := slices.Index(w.waiting, who)
		if i < 0 {
			w.fail("a caller gets one answer: caller %d got another", who)
			return
		}
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.checkReplaced(who, a.Err)
	case Continue:
		w.continues++
	case IsUp:
		w.upSeen = true
	case IsOver:
		w.over = true
	}
}

// drop clears the timer of a child, which may have fired already.
func (w *world) drop(c *Child) {
	for i, t := range w.timers {
		if t.c == c {
			w.timers = slices.Delete(w.timers, i, i+1)
			if len(w.stale) < 1 && !w.scene.bare { // more of them find nothing new
				w.stale = append(w.stale, t)
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
