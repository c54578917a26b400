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

// memory is what of a world its rules compare.
type snapshot struct {
	phase Phase
	sweep sweepKind
}

func (w *world) look() snapshot { return snapshot{w.m.phase, w.m.sweep.what} }

// check tests the invariants after a step.
func (w *world) check(before snapshot, acts []Action) {
	w.checkActions(before, acts)
	w.checkRuns()
	w.checkTimers()
	w.checkCounts()
	w.checkMarks()
}

// Actions: order of starts and stops, nothing starts at the end, the budget.
func (w *world) checkActions(before snapshot, acts []Action) {
	gaveUp := false
	last := w.trace[len(w.trace)-1]
	asked := strings.HasPrefix(last, "stop") || strings.HasPrefix(last, "remove")
	for _, a := range acts {
		switch {
		case a.Kind == Publish && a.Event == Removed && a.Run == 0 && !asked:
			w.fail("a child is not dropped before its first start: %s", a.Child.Name())
		case a.Kind == Launch && before.phase >= Closing:
			w.fail("nothing starts once the end has begun: %s", a.Child.Name())
		case a.Kind == Launch && w.m.suspended:
			w.fail("nothing starts while it is suspended: %s", a.Child.Name())
		case a.Kind == Publish && a.Event == GaveUp:
			gaveUp = true
		}
	}
	inOrder := !strings.HasPrefix(last, "hasten") && !strings.HasPrefix(last, "halt") && before.sweep < sweepCancel
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
		w.fail("who gives up ends")
	}
}

// charge counts what the end of a run costs: a crash that is followed by a
// restart costs at once, a failed start when its retry is due.
func (w *world) charge(g liveRun, acts []Action) {
	failed := slices.ContainsFunc(acts, func(a Action) bool { return a.Kind == Publish && a.Event == Failed })
	waits := g.c.state == child.Waiting || g.c.run != g.run || g.c.marked
	switch {
	case g.ready && !g.cancelled && waits && g.c.present, g.ready && failed && waits:
		w.grant(g.c)
	case failed && g.c.state == child.Waiting && !slices.Contains(w.attempt, g.c):
		w.attempt = append(w.attempt, g.c)
	}
}

// A child that RestartChild could not start is kept, also a temporary one, so that
// it can be tried again. Under an Independent supervisor nothing is kept.
func (w *world) checkKept(g liveRun, before child.State, by origin) {
	if before == child.Starting && by == originManual && w.m.phase < Closing &&
		rules.Ordered(w.scene.conf.Strategy) && !g.c.present && g.c.state != child.Done {
		w.fail("a restart by hand that comes to nothing forgets nobody: %s", g.c.Name())
	}
}

// grant counts a restart that was permitted. Those of a child with a backoff are not
// counted.
func (w *world) grant(c *Child) {
	if w.m.phase >= Closing || w.m.hasBackoff(c) {
		return
	}
	w.granted++
	if n, _, _ := w.scene.conf.Intensity.Limit(); w.granted > n {
		w.fail("the budget is never exceeded: %d of %d", w.granted, n)
	}
}

// A declared child's first start, and each start of a group, waits for all
// before it.
func (w *world) checkStart(a Action) {
	inLane := w.m.op == opStarting && w.m.cursor == a.Child // else it was started alone, or by request
	for c := a.Child.prev; c != nil; c = c.prev {
		asked := c.origin == originManual || c.origin == originAdded // a start by request is beside the lane
		if inLane && c.state == child.Starting && !asked && (c.bootPending || !w.m.restartsAlone()) {
			w.fail("starts are in order and gated by ready: %s was started while %s was starting", a.Child.Name(), c.Name())
		}
		if c.marked {
			w.fail("starts are in order: %s was started before %s", a.Child.Name(), c.Name())
		}
	}
}

// A stop in order waits for all behind.
func (w *world) checkStop(a Action) {
	if !a.Child.present {
		return
	}
	for c := a.Child.next; c != nil; c = c.next {
		if c.alive() && (a.Why == WhyClosing || c.marked) {
			w.fail("stops are in reverse order: %s was asked while %s was alive", a.Child.Name(), c.Name())
		}
	}
}

// At most one run of a child that counts, and it is the one that the machine
// means.
func (w *world) checkRuns() {
	live := map[*Child]int{}
	for _, g := range w.runs {
		if g.abandoned {
			continue
		}
		live[g.c]++
		if live[g.c] > 1 {
			w.fail("one run of a child at a time: %s has two", g.c.Name())
		}
		if g.run != g.c.run || !g.c.alive() {
			w.fail("a run that goes on is known: %s#%d is %v", g.c.Name(), g.run, g.c.state)
		}
		if g.cancelled != (g.c.state == child.Stopping) {
			w.fail("a run is cancelled exactly when its child is stopping: %s#%d", g.c.Name(), g.run)
		}
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.alive() && live[c] == 0 {
			w.fail("an alive child has a run: %s", c.Name())
		}
	}
	if w.over && len(live) > 0 {
		w.fail("nothing runs when it is over")
	}
}

// A timer belongs to a state.
func (w *world) checkTimers() {
	fits := map[Timer]child.State{
		SlowTimer: child.Starting, StartTimer: child.Starting, StopTimer: child.Stopping,
		RetryTimer: child.Waiting, BeatTimer: child.Running,
	}
	for _, t := range w.timers {
		if t.run != t.c.run || t.c.state != fits[t.kind] || t.c.armed != t.kind {
			w.fail("no timer is left set for what is over: %s of %s, which is %v", timerNames[t.kind], t.c.Name(), t.c.state)
		}
	}
	for _, g := range w.runs {
		if _, limited := g.c.StopTimeout(); limited && !g.abandoned && g.cancelled && g.inner == nil && g.c.armed != StopTimer {
			w.fail("a stop has an end: %s", g.c.Name())
		}
	}
}

// The counts are those of the children.
func (w *world) checkCounts() {
	var live, holders, specs, booting, supers int
	for c := w.m.first; c != nil; c = c.next {
		live += count(c.alive())
		holders += count(c.countsAsSignificant())
		booting += count(c.bootPending)
		supers += count(c.Super)
		specs++
	}
	m := w.m
	if live != m.live || holders != m.significant || specs != m.specs || specs != len(m.names) && m.phase != Closing || booting > m.booting || supers != m.supers {
		w.fail("counts add up: live %d %d, significant %d %d, specs %d %d, booting %d %d, supervisors %d %d",
			live, m.live, holders, m.significant, specs, m.specs, booting, m.booting, supers, m.supers)
	}
}

// Between group operations no child is marked; a leader exists only while the
// lane is busy.
func (w *world) checkMarks() {
	for c := w.m.first; c != nil; c = c.next {
		if c.state == child.Waiting && c.armed != RetryTimer && !c.backoffAsked && !c.held && !c.marked {
			w.fail("a waiting child waits for something: %s", c.Name())
		}
		if c.marked && !c.alive() && c.Spec.Restart == child.Temporary && !c.bootPending && !c.startAwaited() && w.m.ordered() {
			w.fail("a temporary child does not come back with its group: %s", c.Name())
		}
	}
	if w.m.op != opNone {
		return
	}
	if w.m.waitsFor != nil {
		w.fail("no leader without a group operation")
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.marked {
			w.fail("between operations no child is marked: %s is", c.Name())
		}
	}
}

// stuck says what is wrong with a state in which n things may happen. Every
// state has a next event but a quiet one: all children at rest or running, every
// caller answered. Requests do not count: nobody need make any.
func (w *world) stuck(int) string {
	if w.busy() {
		return ""
	}
	for who := range w.waiting {
		if !w.m.suspended {
			return fmt.Sprintf("every caller gets an answer: caller %d never does", who)
		}
	}
	switch {
	case w.m.phase == Closing:
		return "an end that has begun comes to its end"
	case w.m.suspended:
		return ""
	case w.m.op != opNone:
		return "a group operation comes to its end"
	}
	for c := w.m.first; c != nil; c = c.next {
		if c.state == child.Waiting {
			return "a waiting child is started some time: " + c.Name() + " never is"
		}
	}
	return ""
}

// busy reports whether something is bound to happen.
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
	fmt.Fprintf(&text, "  phase %d lane %d cur %s from %s leader %s live %d booting %d suspended %v\n",
		m.phase, m.op, name(m.cursor), name(m.firstMarked), name(m.waitsFor), m.live, m.booting, m.suspended)
	for c := m.first; c != nil; c = c.next {
		fmt.Fprintf(&text, "  %s#%d %v taken=%v then=%d origin=%d armed=%s held=%v asking=%v charged=%v boot=%v waiters=%v\n",
			c.Name(), c.run, c.state, c.marked, c.afterStop, c.origin, timerNames[c.armed], c.held, c.backoffAsked, c.charged, c.bootPending, callers(c))
	}
	for _, g := range w.runs {
		fmt.Fprintf(&text, "  run %s#%d ready=%v cancelled=%v abandoned=%v\n", g.c.Name(), g.run, g.ready, g.cancelled, g.abandoned)
	}
	return text.String()
}

// callers returns those who wait for a start or a stop of c.
func callers(c *Child) (all []any) {
	for x := range c.eachWaiter {
		all = append(all, x.Who)
	}
	return all
}

func describe(a Action) string {
	name := "-"
	if a.Child != nil {
		name = a.Child.Name()
	}
	return fmt.Sprintf("action %d note %d of %s#%d", a.Kind, a.Event, name, a.Run)
}
