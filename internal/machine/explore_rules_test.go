package machine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
)

var errWorld = errors.New("boom")

var outcomeNames = [...]string{"normal", "shutdown", "done", "ignore", "failure", "escalated"}
var timerNames = [...]string{"none", "slow", "start", "stop", "retry", "beat"}

// A snapshot is the state before a step that the rules compare with.
type snapshot struct {
	phase Phase
	sweep sweepKind
	graph graphSnapshot
}

func (w *world) look() snapshot { return snapshot{w.m.phase, w.m.sweep.what, w.lookAtGraph()} }

// check checks the invariants after a step.
func (w *world) check(before snapshot, acts []Action) {
	w.checkActions(before, acts)
	w.checkRuns()
	w.checkTimers()
	w.checkCounts()
	w.checkMarks()
	w.checkTrials()
	w.checkGraph(before.graph, acts)
}

// checkActions checks the order of starts and stops, and what must not happen while closing
// or suspended.
func (w *world) checkActions(before snapshot, acts []Action) {
	gaveUp := false
	last := w.trace.name
	asked := strings.HasPrefix(last, "stop") || strings.HasPrefix(last, "remove")
	for _, a := range acts {
		switch {
		case a.Kind == Publish && a.Event == Removed && a.Run == 0 && !asked:
			w.fail("a child is not removed before its first start: %s", a.Child.Name())
		case a.Kind == Launch && before.phase >= Closing:
			w.fail("nothing starts while closing: %s", a.Child.Name())
		case a.Kind == Launch && w.m.suspended:
			w.fail("nothing starts while suspended: %s", a.Child.Name())
		case a.Kind == Launch && w.m.restartsAlone(): // else its group may start it
			w.checkOldStart(a.Child)
		case a.Kind == Publish && a.Event == GaveUp:
			gaveUp = true
		}
	}
	inOrder := !strings.HasPrefix(last, "cancel-all") && !strings.HasPrefix(last, "abandon-all") && before.sweep < sweepCancel
	if rules.Ordered(w.scene.conf.Strategy) {
		for _, a := range acts {
			switch {
			case a.Kind == Launch:
				w.checkStart(a)
			case a.Kind == Cancel && (a.Why == WhyClosing || a.Why == WhySibling) && inOrder:
				w.checkStop(a)
			}
		}
	}
	if gaveUp && w.m.phase < Closing {
		w.fail("a supervisor that gives up ends")
	}
}

// charge counts the restart that follows the end of a run: that of a failed run at once,
// that of a failed start when its retry is due.
func (w *world) charge(g liveRun, acts []Action) {
	failed := slices.ContainsFunc(acts, func(a Action) bool { return a.Kind == Publish && a.Event == Failed })
	waits := g.c.state == child.Waiting || g.c.run != g.run || g.c.marked
	switch {
	case g.ready && !g.cancelled && waits && w.m.isPresent(g.c), g.ready && failed && waits:
		w.grant(g.c)
	case failed && g.c.state == child.Waiting && !slices.Contains(w.attempt, g.c):
		w.attempt = append(w.attempt, g.c)
	}
}

// checkKept checks that a child is kept that RestartChild could not start, even if it is
// Temporary, so that it can be started later. An Independent supervisor keeps none.
func (w *world) checkKept(g liveRun, before child.State, by origin) {
	if before == child.Starting && by == originManual && w.m.phase < Closing &&
		rules.Ordered(w.scene.conf.Strategy) && !w.m.isPresent(g.c) && g.c.state != child.Done {
		w.fail("a requested restart that fails removes no child: %s", g.c.Name())
	}
}

// grant counts a restart that was permitted, unless the child has a backoff.
func (w *world) grant(c *Child) {
	if w.m.phase >= Closing || w.m.hasBackoff(c) {
		return
	}
	w.granted++
	if n, _, _ := w.scene.conf.Intensity.Limit(); w.granted > n {
		w.fail("the intensity is never exceeded: %d of %d", w.granted, n)
	}
}

// checkStart checks that the first start of a declared child, and each start of a group,
// waits for the children before it.
func (w *world) checkStart(a Action) {
	inOp := w.m.op == opStarting && w.m.cursor == a.Child // otherwise it was started alone, or by request
	for c := a.Child.prev; c != nil; c = c.prev {
		asked := c.origin == originManual || c.origin == originAdded || w.m.Trying(c) // a requested start is not part of the operation
		if inOp && c.state == child.Starting && !asked && (c.bootPending || !w.m.restartsAlone()) {
			w.fail("starts are in order and wait for ready: %s was started while %s was starting", a.Child.Name(), c.Name())
		}
		if c.marked {
			w.fail("starts are in order: %s was started before %s", a.Child.Name(), c.Name())
		}
	}
}

// checkStop checks that a stop in order waits for the children after it.
func (w *world) checkStop(a Action) {
	if !w.m.isPresent(a.Child) {
		return
	}
	for c := a.Child.next; c != nil; c = c.next {
		if c.alive() && (a.Why == WhyClosing || c.marked) {
			w.fail("stops are in reverse order: %s was asked while %s was alive", a.Child.Name(), c.Name())
		}
	}
}

// checkRuns checks that a child has at most one run that is not abandoned, and that it is
// the one that the machine knows.
func (w *world) checkRuns() {
	live := make([]*Child, 0, 8)
	for _, g := range w.runs {
		if g.abandoned {
			continue
		}
		if slices.Contains(live, g.c) {
			w.fail("one run of a child at a time: %s has two", g.c.Name())
		}
		live = append(live, g.c)
		if g.run != g.c.run || !g.c.alive() {
			w.fail("a live run is known to the machine: %s#%d is %v", g.c.Name(), g.run, g.c.state)
		}
		if g.cancelled != (g.c.state == child.Stopping) {
			w.fail("a run is cancelled exactly when its child is stopping: %s#%d", g.c.Name(), g.run)
		}
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.alive() && !slices.Contains(live, c) {
			w.fail("an alive child has a run: %s", c.Name())
		}
	}
	if w.over && len(live) > 0 {
		w.fail("nothing runs when the supervisor is over")
	}
}

// checkTimers checks that timers fit the states of their children.
func (w *world) checkTimers() {
	fits := [...]child.State{
		SlowTimer: child.Starting, StartTimer: child.Starting, StopTimer: child.Stopping,
		RetryTimer: child.Waiting, BeatTimer: child.Running,
	}
	for _, t := range w.timers {
		if t.run != t.c.run || t.c.state != fits[t.kind] || t.c.armed != t.kind {
			w.fail("a timer belongs to the state of its child: %s of %s, which is %v", timerNames[t.kind], t.c.Name(), t.c.state)
		}
	}
	for _, g := range w.runs {
		if _, limited := g.c.StopTimeout(); limited && !g.abandoned && g.cancelled && g.inner == nil && g.c.armed != StopTimer {
			w.fail("a stop has a timer: %s", g.c.Name())
		}
	}
}

// checkCounts compares the counts with the children.
func (w *world) checkCounts() {
	var live, significant, specs, booting, supers int
	for c := w.m.first; c != nil; c = c.next {
		live += count(c.alive())
		significant += count(c.countsAsSignificant())
		booting += count(c.bootPending)
		supers += count(c.Super)
		specs++
	}
	m := w.m
	if live != m.live || significant != m.significant || specs != m.specs || m.names != nil && specs != len(m.names) && m.phase != Closing || booting > m.booting || supers != m.supers {
		w.fail("counts add up: live %d %d, significant %d %d, specs %d %d, booting %d %d, supervisors %d %d",
			live, m.live, significant, m.significant, specs, m.specs, booting, m.booting, supers, m.supers)
	}
}

// checkMarks checks that between group operations no child is marked, and that none waits
// for a backoff.
func (w *world) checkMarks() {
	for c := w.m.first; c != nil; c = c.next {
		if c.state == child.Waiting && c.armed != RetryTimer && !c.backoffAsked && !c.held && !c.marked {
			w.fail("a waiting child waits for something: %s", c.Name())
		}
		if c.marked && !c.alive() && c.Spec.Restart == child.Temporary && !c.bootPending && !c.startAwaited() && w.m.ordered() {
			w.fail("a temporary child is not started again with its group: %s", c.Name())
		}
	}
	if w.m.op != opNone {
		return
	}
	if w.m.waitsFor != nil {
		w.fail("only a group operation waits for a backoff")
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.marked && c.node == 0 {
			w.fail("between operations no child is marked: %s is", c.Name())
		}
	}
}

// stuck returns what is wrong with a state in which nothing is bound to happen, or "". In
// such a state all children must be running, Stopped or Done, and every caller must have
// been answered. Requests do not count, because nobody has to make any.
func (w *world) stuck() string {
	if w.busy() {
		return ""
	}
	for _, who := range w.waiting {
		if !w.m.suspended {
			return fmt.Sprintf("every caller gets an answer: caller %d never does", who)
		}
	}
	switch {
	case w.m.phase == Closing:
		return "a supervisor that closes is over some time"
	case w.m.suspended:
		return ""
	case w.m.op != opNone:
		return "a group operation ends some time"
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.state == child.Waiting {
			return "a waiting child is started some time: " + c.Name() + " never is"
		}
		if c.marked {
			return "a child that must start is started some time: " + c.Name() + " never is"
		}
		if w.m.mustStop(c) {
			return "a child that must stop is asked some time: " + c.Name() + " never is"
		}
	}
	return ""
}

// busy reports whether an event is bound to come.
func (w *world) busy() bool {
	if len(w.backoffs) > 0 || w.continues > 0 {
		return true
	}
	for _, t := range w.timers {
		if t.kind == RetryTimer || t.kind == StopTimer {
			return true
		}
	}
	for _, g := range w.runs {
		if !g.abandoned && (g.cancelled || g.c.state == child.Starting) {
			return true
		}
		if g.inner != nil && (g.inner.busy() || g.inner.over || g.inner.upSeen && !g.inner.upReported) {
			return true
		}
	}
	return false
}

func (w *world) describe() string {
	var text strings.Builder
	m := w.m
	name := func(c *Child) string {
		if c == nil {
			return "-"
		}
		return c.Name()
	}
	fmt.Fprintf(&text, "  phase %d op %d cursor %s firstMarked %s waitsFor %s live %d booting %d suspended %v\n",
		m.phase, m.op, name(m.cursor), name(m.firstMarked), name(m.waitsFor), m.live, m.booting, m.suspended)
	for c := m.first; c != nil; c = c.next {
		fmt.Fprintf(&text, "  %s#%d %v marked=%v afterStop=%d origin=%d armed=%s held=%v backoffAsked=%v charged=%v bootPending=%v waiters=%v\n",
			c.Name(), c.run, c.state, c.marked, c.afterStop, c.origin, timerNames[c.armed], c.held, c.backoffAsked, c.charged, c.bootPending, callers(c))
		if c.node != 0 {
			fmt.Fprintf(&text, "    %s\n", m.describeNode(c.node))
		}
	}
	for _, g := range w.runs {
		fmt.Fprintf(&text, "  run %s#%d ready=%v cancelled=%v abandoned=%v\n", g.c.Name(), g.run, g.ready, g.cancelled, g.abandoned)
	}
	return text.String()
}

// callers returns the callers that wait for a start or a stop of c.
func callers(c *Child) (all []any) {
	for x := range c.eachWaiter {
		all = append(all, x.Owner)
	}
	return all
}

func describe(a Action) string {
	name := "-"
	if a.Child != nil {
		name = a.Child.Name()
	}
	return fmt.Sprintf("action %d event %d of %s#%d", a.Kind, a.Event, name, a.Run)
}
