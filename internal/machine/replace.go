package machine

import (
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A child may get a new spec on trial: if it does not become ready with it, the old spec
// comes back, and the child runs as before. That happens in the same event as the failure,
// so a group operation or a boot that waits for the child just continues with the old spec.

// A trial is the replacement of one child's spec, until the child is ready. Most children
// never have one, so trials are kept beside the children.
type trial struct {
	spec   *child.Spec // the new one
	old    *child.Spec // the one before; nil until a run is launched with the new one
	back   bool        // the old one is back, and its first start is in progress
	caller *Waiter     // who asked for the replacement; may be nil
	origin origin      // of the child before

	// If the child was down before, and no other caller has started it since, a failure leaves
	// it down, in the state in which it was.
	down          bool
	state         child.State
	ignored, lost bool
}

// A TakenBack answers a caller of Replace: the child did not become ready with the new spec,
// and has its old one back.
type TakenBack struct {
	Err  error // why it did not become ready
	Old  error // why it is not ready with the old spec either; nil if it is
	Down bool  // it was down before, and is down again; Old is nil
}

func (e *TakenBack) Error() string { return e.Err.Error() }

// ErrReplacing refuses a Replace of a child whose previous one is not settled.
var ErrReplacing = errors.New("is being replaced already")

// Replace restarts c as Restart does, with spec from its next start on. The waiter is
// answered when c is ready. If it does not become ready, the spec is taken back. Then c is
// started with its old spec, which is an automatic restart that does not count, unless it
// did not run before: then it is down as before. A start that spec retries counts as one
// start, which fails when its backoff or the supervisor would give up. The waiter gets a
// TakenBack when the first start with the old spec has succeeded or failed, or when c is down.
// If another caller restarts c meanwhile, it counts as a child that ran before. It is refused
// while an earlier Replace of c is in progress, but not once that was taken back.
//
// Under Graph, c gets the edges of spec at once, and those that then need c are restarted with
// it. It keeps these edges if spec is taken back. It is refused if a child with these edges
// could not be added.
func (m *Machine) Replace(c *Child, spec *child.Spec, caller *Waiter, now time.Duration) {
	m.beginEvent(now)
	if err := m.refuseReplace(c, spec); err != nil {
		m.refuse(caller, err)
		m.endEvent()
		return
	}
	if m.trials == nil {
		m.trials = make(map[*Child]*trial)
	}
	t := &trial{
		spec: spec, caller: caller, origin: c.origin,
		down:  !c.alive() && c.state != child.Waiting && !c.marked,
		state: c.state, ignored: c.Ignored, lost: c.Lost,
	}
	m.relink(c, spec) // this may stop c, and end an earlier trial
	m.trials[c] = t
	m.restart(c, caller)
	m.endEvent()
}

// refuseReplace returns why the spec of c cannot be replaced now, or nil.
func (m *Machine) refuseReplace(c *Child, spec *child.Spec) error {
	if err := m.refuseRestart(c); err != nil {
		return err
	}
	if t := m.trials[c]; t != nil && !t.back {
		return ErrReplacing
	}
	return m.refuseRelink(c, spec)
}

// keepUp is for a child that a caller restarts. If it is on trial and was down before, it is
// not down again when its spec is taken back: it starts with the old one. So it does not
// matter which of the two comes first.
func (m *Machine) keepUp(c *Child) {
	if t := m.trials[c]; t != nil {
		t.down = false
	}
}

// Trying reports whether c is on trial: its spec was replaced, and it is not ready yet.
func (m *Machine) Trying(c *Child) bool { return m.trials[c] != nil }

// TakeBack takes the spec of a Replace back, because the caller does not wait any longer. It
// has no effect if c has become ready, or if the spec was taken back already.
func (m *Machine) TakeBack(c *Child, err error, now time.Duration) {
	m.beginEvent(now)
	if t := m.trials[c]; t != nil && !t.back && m.phase < Closing {
		m.takeBackNow(c, t, err)
	}
	m.endEvent()
}

func (m *Machine) takeBackNow(c *Child, t *trial, err error) {
	switch {
	case t.old == nil && t.down: // no run has the new one yet, and none will
		m.startOld(c, t, err)
	case t.old == nil:
		t.old = c.Spec
		m.restore(c, t, err)
	case c.state == child.Starting && c.node != 0:
		m.restore(c, t, err)
		if !m.mustStop(c) { // else what follows its stop is known
			m.claimOld(c)
		}
	case c.state == child.Starting:
		m.restore(c, t, err)
		c.afterStop = t.afterStop()
		m.cancel(c, WhyStopped)
	case c.state == child.Stopping:
		m.restore(c, t, err)
		switch {
		case c.afterStop != afterStopFail: // else its start took too long
		case c.node != 0:
			m.claimOld(c)
		default:
			c.afterStop = t.afterStop()
		}
	case c.node != 0 && t.down:
		m.startOld(c, t, err)
	case c.marked && m.waitsFor != c, c.held: // it will start anyway
		m.restore(c, t, err)
	default: // it waits for its backoff
		m.startOld(c, t, err)
	}
}

// claimOld makes a child that has a node, and whose old spec is back, stop if it has to, and
// then start with that. If it was down before, it is down again then: see stoppedExit. Until
// then it is claimed nevertheless, so that those that need it wait for what becomes of it.
func (m *Machine) claimOld(c *Child) {
	c.afterStop = afterStopStart
	m.claim(c, c)
	m.nodeOf(c).why = WhyStopped
}

// isDownAgain reports whether c is down once it has stopped, because it was down before its
// replacement, which was taken back.
func (m *Machine) isDownAgain(c *Child) bool {
	t := m.trials[c]
	return t != nil && t.back && t.down && c.node != 0 && c.marked // else a caller has stopped it
}

// afterStop returns what happens to the child when its run with the new spec has stopped.
func (t *trial) afterStop() afterStop {
	if t.down {
		return afterStopKeep
	}
	return afterStopStart
}

// beginTrial gives c its new spec, if it has one. A run is about to be launched. A start
// that fails now is no failure of an automatic restart.
func (m *Machine) beginTrial(c *Child) {
	t := m.trials[c]
	if t == nil || t.old != nil {
		return
	}
	t.old = c.Spec
	m.setSpec(c, t.spec)
	if c.origin == originAuto {
		c.origin = originManual
	}
}

// setSpec replaces the spec of c.
func (m *Machine) setSpec(c *Child, spec *child.Spec) {
	m.significant -= count(c.countsAsSignificant())
	c.setSpec(spec)
	m.significant += count(c.countsAsSignificant())
}

// endTrial ends the trial of c, which is ready or needs no start any more.
func (m *Machine) endTrial(c *Child) { delete(m.trials, c) }

// readyOnTrial ends the trial of c, which is ready. It reports false if c is ready with its old
// spec and will stop for the new one, when its group or those that need it are down: callers
// wait for the start with the new one. It is not inlined, to keep the frame of Ready small.
//
//go:noinline
func (m *Machine) readyOnTrial(c *Child) bool {
	if t := m.trials[c]; t != nil && t.old == nil && (c.marked || m.mustStop(c)) {
		return false
	}
	m.endTrial(c)
	return true
}

// startFailed handles a failed start of a child that is on trial. It reports false if the
// failure must be handled like any other: if the start is retried, or was one with the old
// spec.
func (m *Machine) startFailed(c *Child, out Outcome) bool {
	t := m.trials[c]
	switch {
	case t == nil, t.old == nil:
		return false
	case t.back:
		delete(m.trials, c)
		m.answerTakenBack(c, out.Err)
		return false
	case c.Spec.RetryStart && out.Kind != Escalated:
		return false
	}
	next := Restarts
	if t.down {
		next = StaysDown
	}
	m.noteFailure(c, out.Err, next)
	m.startOld(c, t, out.Err)
	return true
}

// givesUpTrial takes the spec of c back instead of giving up, if c is on trial.
func (m *Machine) givesUpTrial(c *Child, err error) bool {
	t := m.trials[c]
	if t == nil || t.old == nil || t.back || m.phase >= Closing {
		return false
	}
	m.startOld(c, t, err)
	return true
}

// startOld takes the spec of a child that does not run back, and starts it.
func (m *Machine) startOld(c *Child, t *trial, err error) {
	if t.down {
		if t.caller != nil {
			t.caller.takenBack = err
		}
		m.downAgain(c, t, err)
		return
	}
	m.restore(c, t, err)
	c.ensureFailures().reason, c.charged = err, false
	m.setState(c, child.Waiting)
	m.publishRestart(c, 0)
	if c.node != 0 {
		m.take(c)
		return
	}
	m.restartAlone(c)
}

// downAgain makes a child that is not alive what it was before its replacement: down. Under
// Graph, those that need it start if it is as good as running, and stay down if not.
func (m *Machine) downAgain(c *Child, t *trial, err error) {
	if t.caller != nil {
		t.caller.down = true
	}
	m.retireKept(c, t.state, err)
	c.Ignored, c.Lost = t.ignored, t.lost
	if c.node == 0 {
		return
	}
	m.touch(c)
	if c.state == child.Stopped && !c.Ignored {
		m.sink(c, &needError{c.Name(), err})
	}
}

// restore gives c its old spec. The trial goes on until the first start with it has ended.
func (m *Machine) restore(c *Child, t *trial, err error) {
	m.setSpec(c, t.old)
	c.origin, t.back = t.origin, true
	if t.caller != nil {
		t.caller.takenBack = err
	}
}

// dropTrial ends the trial of a child that is down. It gets its old spec.
func (m *Machine) dropTrial(c *Child) {
	t := m.trials[c]
	if t == nil {
		return
	}
	delete(m.trials, c)
	if t.old != nil && !t.back {
		m.setSpec(c, t.old)
	}
}

// answerTakenBack answers callers of Replace whose spec was taken back. Others keep waiting
// for c, which did not start with its old spec either.
func (m *Machine) answerTakenBack(c *Child, err error) {
	last := c.lastWaiter
	if last == nil {
		return
	}
	c.lastWaiter = nil
	for next := last.next; ; {
		w := next
		next = w.next
		if w.takenBack == nil {
			c.addWaiter(w, w.start)
		} else {
			w.next = nil
			a := m.emit(Answer, c)
			a.Waiter, a.Err = w, w.result(err)
		}
		if w == last {
			return
		}
	}
}

// result returns the answer to w when the start that it waits for has ended with err.
func (w *Waiter) result(err error) error {
	switch {
	case w.takenBack == nil:
		return err
	case w.down:
		return &TakenBack{Err: w.takenBack, Down: true}
	}
	return &TakenBack{Err: w.takenBack, Old: err}
}
