package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// launch starts a run of c. A restart by the supervisor is counted.
func (m *Machine) launch(c *Child, restart bool) {
	c.marked, c.held, c.leftStopped, c.hung, c.cancelAllSent, c.abandonAllSent = false, false, false, false, false, false
	c.Nested, c.Lost, c.Ignored = false, false, false
	if m.waitsFor == c {
		m.waitsFor = nil
	}
	if restart {
		c.Restarts++
	}
	c.run++
	m.setState(c, child.Starting)
	m.emit(Launch, c)
	m.publish(Starting, c, nil)
	if t := c.Spec.StartTimeout; t > 0 && t <= SlowStartAfter {
		m.arm(c, StartTimer, t)
	} else {
		m.arm(c, SlowTimer, SlowStartAfter)
	}
}

// start starts c because somebody asked, in its turn if the lane has yet to
// come to it, or after Resume.
func (m *Machine) startAsked(c *Child) {
	switch {
	case m.op == opStopping && m.firstMarked != nil && c.seq >= m.firstMarked.seq,
		m.op == opStarting && m.cursor != nil && c.seq > m.cursor.seq:
		c.marked = true
	case m.suspended:
		m.holdStart(c)
	default:
		m.launch(c, false)
	}
}

// hold keeps a start that is due until Resume.
func (m *Machine) holdStart(c *Child) {
	m.setState(c, child.Waiting)
	c.held = true
}

// afterRun says what follows the end of a run that was ready. A restart is charged
// here, before anybody hears of the end.
func (m *Machine) afterRun(c *Child, out Outcome) Next {
	switch {
	case out.Kind == Escalated:
		return SupervisorGivesUp
	case c.Spec.Restart == child.Temporary:
		return StaysDown
	case !m.charge(c):
		return SupervisorGivesUp
	default:
		return m.nextTry(c)
	}
}

// nextTry says how a child is restarted.
func (m *Machine) nextTry(c *Child) Next {
	if m.hasBackoff(c) {
		return AsksBackoff
	}
	return Restarts
}

// failed restarts a Waiting child whose run, once ready, has ended.
func (m *Machine) beginRestart(c *Child, err error) {
	c.charged, c.reason = true, err
	switch {
	case m.restartsAlone() && m.hasBackoff(c):
		m.awaitRetry(c)
	case m.restartsAlone():
		m.publishRestart(c, 0)
		m.restartAlone(c)
	case m.hasBackoff(c):
		m.waitsFor = c
		m.markGroup(c)
	default:
		m.waitsFor = nil
		m.publishRestart(c, 0)
		m.markGroup(c)
	}
}

// charge records a restart of c in the window, and reports whether it is
// permitted. A child with a backoff gives up by its policy.
func (m *Machine) charge(c *Child) bool { return m.hasBackoff(c) || m.window.Add(m.now) }

// restart starts a Waiting child alone. It has been told.
func (m *Machine) restartAlone(c *Child) {
	if m.suspended {
		m.holdStart(c)
		return
	}
	m.launch(c, true)
}

func (m *Machine) publishRestart(c *Child, wait time.Duration) {
	m.publish(Restarting, c, c.reason).Wait = wait
}

// wait puts a Waiting child on its backoff, or, without one, has its retry come
// as an event of its own. A boot that has come to c waits with it.
func (m *Machine) awaitRetry(c *Child) {
	if m.phase == Booting && m.reached(c) {
		m.waitsFor = c
	}
	if !m.hasBackoff(c) {
		m.arm(c, RetryTimer, 0)
		return
	}
	if !c.backoffAsked { // else the answer that is under way will do
		c.backoffAsked = true
		m.emit(NextBackoff, c).Reset = c.healthy
	}
}

// BackoffDelay is the answer to Ask: the pause before the next restart of c; negative
// to give up.
func (m *Machine) BackoffDelay(c *Child, d, now time.Duration) {
	m.beginEvent(now)
	c.backoffAsked = false
	switch {
	case c.state != child.Waiting || c.marked && m.waitsFor != c || c.held || c.armed != NoTimer:
		// Somebody started, stopped or took it meanwhile, or the end has come.
	case d < 0:
		m.giveUp(EndBackoff, c, c.reason)
	default:
		m.publishRestart(c, d)
		m.arm(c, RetryTimer, d)
		c.NextStart = After(now, d)
	}
	m.endEvent()
}

// due takes a restart whose pause is over. A failed attempt is charged here, a
// crash was before. The strategy is applied to the child that could not start,
// which need not be the one that crashed: that is OTP's whole retry rule.
func (m *Machine) retryDue(c *Child) {
	if !c.charged && !m.charge(c) {
		m.giveUp(EndIntensity, c, c.reason)
		return
	}
	c.charged = true
	if !m.hasBackoff(c) { // else Delay has told it, with the pause
		m.publishRestart(c, 0)
	}
	if m.restartsAlone() {
		if m.reached(c) { // a boot waits for it
			m.waitsFor = nil
			c.marked = false
		}
		m.restartAlone(c)
		return
	}
	m.waitsFor = nil
	m.markGroup(c)
}

// Timer says that the timer of a run has gone off. It is dropped unless it is
// the one that is set.
func (m *Machine) Timer(c *Child, run uint64, t Timer, now time.Duration) {
	m.beginEvent(now)
	if c.run != run || c.armed != t {
		m.endEvent()
		return
	}
	c.armed = NoTimer
	switch t {
	case SlowTimer:
		m.publish(SlowStart, c, nil)
		if c.Spec.StartTimeout > 0 {
			m.arm(c, StartTimer, c.Spec.StartTimeout-SlowStartAfter)
		}
	case StartTimer:
		c.afterStop = afterStopFail
		m.cancel(c, WhyTimeout)
	case BeatTimer:
		m.publish(Hung, c, nil)
		c.afterStop, c.hung = afterStopFail, true
		m.cancel(c, WhyHung)
	case RetryTimer:
		m.retryDue(c)
	case StopTimer:
		limit, limited := c.StopTimeout()
		switch {
		case !c.Nested:
			m.abandon(c)
		case !c.cancelAllSent && limited:
			c.cancelAllSent = true
			m.emit(CancelAll, c)
			m.arm(c, StopTimer, limit-MostOf(limit))
		default:
			m.abandonAllIn(c)
		}
	}
	m.endEvent()
}

// MostOf is nine tenths of a stop timeout. The rest of it is for those in a nested
// supervisor that have not been asked by then, and for closing by force.
func MostOf(d time.Duration) time.Duration { return d - d/10 }

// cancel asks an alive child to stop.
func (m *Machine) cancel(c *Child, why Why) {
	m.setState(c, child.Stopping)
	m.emit(Cancel, c).Why = why
	m.publish(Stopping, c, nil)
	switch d, limited := c.StopTimeout(); {
	case !limited:
	case d > 0 && c.Nested:
		m.arm(c, StopTimer, MostOf(d))
	case d > 0:
		m.arm(c, StopTimer, d)
	case c.Nested:
		m.abandonAllIn(c)
	default:
		m.abandon(c)
	}
}

// halt ends the supervisor in c now. It is not abandoned itself, so that what is
// reported is who held it up.
func (m *Machine) abandonAllIn(c *Child) {
	c.abandonAllSent = true
	m.emit(AbandonAll, c)
}

// abandon leaves a run to itself. To the supervisor it is gone.
func (m *Machine) abandon(c *Child) {
	c.Abandoned++
	m.emit(Abandon, c)
	m.informWaiters(c)
	m.publish(Abandoned, c, nil)
	m.stoppedExit(c, Outcome{}, true)
}
