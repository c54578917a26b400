package machine

import (
	"math"
	"time"

	"github.com/coppice-go/coppice/child"
)

// launch starts a run of c. An automatic restart is counted.
func (m *Machine) launch(c *Child, restart bool) {
	if len(m.trials) > 0 {
		m.beginTrial(c)
	}
	c.marked, c.held, c.leftStopped, c.hung, c.sent = false, false, false, false, 0
	c.Nested, c.Lost, c.Ignored = false, false, false
	if m.waitsFor == c {
		m.waitsFor = nil
	}
	if restart && c.Restarts < math.MaxInt32 {
		c.Restarts++
	}
	m.number(c)
	m.setState(c, child.Starting)
	m.emit(Launch, c)
	m.publish(Starting, c, nil)
	if t := c.startTimeout(); t > 0 && t <= SlowStartAfter {
		m.arm(c, StartTimer, t)
	} else {
		m.arm(c, SlowTimer, SlowStartAfter)
	}
}

// number gives the next run of c its number.
func (m *Machine) number(c *Child) {
	if m.conf.Runs != nil {
		c.run = m.conf.Runs.Add(1)
	} else {
		c.run++
	}
}

// startAsked starts c by request: now, or when the group operation reaches it, or after
// Resume.
func (m *Machine) startAsked(c *Child) {
	switch {
	case c.node != 0:
		m.take(c)
	case m.op == opStopping && m.firstMarked != nil && c.seq >= m.firstMarked.seq,
		m.op == opStarting && m.cursor != nil && c.seq > m.cursor.seq:
		c.marked = true
	case m.suspended:
		m.holdStart(c)
	default:
		m.launch(c, false)
	}
}

// holdStart makes c wait for Resume, since its start is due while suspended. A child that
// waits already does so since its failure.
func (m *Machine) holdStart(c *Child) {
	if c.state == child.Waiting {
		m.disarmRetry(c)
	} else {
		m.setState(c, child.Waiting)
	}
	c.held = true
}

// afterRun returns what follows the end of a run that was ready. It charges a restart,
// because the event that publishes the end says whether the supervisor gives up.
func (m *Machine) afterRun(c *Child, out Outcome) Next {
	switch {
	case out.Kind == Escalated:
		return SupervisorGivesUp
	case c.temporary():
		return StaysDown
	case !m.charge(c):
		return SupervisorGivesUp
	default:
		return m.nextTry(c)
	}
}

// nextTry returns how c is restarted.
func (m *Machine) nextTry(c *Child) Next {
	if m.hasBackoff(c) {
		return AsksBackoff
	}
	return Restarts
}

// beginRestart restarts a Waiting child whose run was ready and has ended.
func (m *Machine) beginRestart(c *Child, err error) {
	c.charged, c.ensureFailures().reason = true, err
	switch {
	case c.node != 0:
		m.failNode(c)
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

// charge records a restart of c in the window, and reports whether it is permitted. A
// child with a backoff is not charged: its backoff decides when to give up.
func (m *Machine) charge(c *Child) bool { return m.hasBackoff(c) || m.window.Add(m.now) }

// restartAlone starts a Waiting child without its siblings. The restart has been
// published.
func (m *Machine) restartAlone(c *Child) {
	if m.suspended {
		m.holdStart(c)
		return
	}
	m.launch(c, true)
}

// publishRestart publishes that c will be restarted after that delay.
func (m *Machine) publishRestart(c *Child, wait time.Duration) {
	m.publish(Restarting, c, c.Failures().reason).Wait = wait
}

// awaitRetry asks the backoff of a Waiting child for a delay. Without a backoff the retry
// is due at once, as an event of its own. A boot that has reached c waits for it.
func (m *Machine) awaitRetry(c *Child) {
	if m.phase == Booting && m.reached(c) {
		m.waitsFor = c
	}
	if c.armed == RetryTimer { // its delay has begun: an Upgrade came while a boot waits for it
		return
	}
	if !m.hasBackoff(c) {
		m.arm(c, RetryTimer, 0)
		return
	}
	if !c.backoffAsked { // otherwise the answer that is still to come will do
		c.backoffAsked = true
		m.emit(NextBackoff, c).Reset = c.healthy
	}
}

// BackoffDelay is the reply to NextBackoff: d is the delay before the next restart of c.
// If d is negative, the supervisor gives up.
func (m *Machine) BackoffDelay(c *Child, d, now time.Duration) {
	m.beginEvent(now)
	c.backoffAsked = false
	switch {
	case c.state != child.Waiting || c.marked && m.waitsFor != c || c.held || c.armed != NoTimer:
		// Meanwhile c was started, stopped or marked, or the supervisor ends.
	case d < 0:
		m.giveUp(EndBackoff, c, c.Failures().reason)
	default:
		m.publishRestart(c, d)
		m.arm(c, RetryTimer, d)
		c.ensureFailures().NextStart = After(now, d)
	}
	m.endEvent()
}

// retryDue handles a restart whose delay is over. It charges the retry of a failed start;
// a failed run was charged when it ended. The strategy is applied to the child that could
// not start, which may not be the one that failed first, as in OTP.
func (m *Machine) retryDue(c *Child) {
	if !c.charged && !m.charge(c) {
		m.giveUp(EndIntensity, c, c.Failures().reason)
		return
	}
	c.charged = true
	if !m.hasBackoff(c) { // otherwise BackoffDelay has published it, with the delay
		m.publishRestart(c, 0)
	}
	if c.node != 0 {
		m.take(c)
		return
	}
	if m.restartsAlone() {
		if m.reached(c) { // a boot has reached c, and waits for it
			m.waitsFor = nil
			c.marked = false
		}
		m.restartAlone(c)
		return
	}
	m.waitsFor = nil
	m.markGroup(c)
}

// Timer reports that the timer of a run has fired. It has no effect unless it is the one
// that is set.
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
		if !m.mustStop(c) { // else what follows its stop is known
			c.afterStop = afterStopFail
		}
		m.cancel(c, WhyTimeout)
	case BeatTimer:
		m.publish(Hung, c, nil)
		if c.hung = true; !m.mustStop(c) {
			c.afterStop = afterStopFail
		}
		m.cancel(c, WhyHung)
	case RetryTimer:
		m.retryDue(c)
	case StopTimer:
		limit, limited := c.StopTimeout()
		switch {
		case !c.Nested:
			m.abandon(c)
		case c.sent&cancelAllSent == 0 && limited:
			c.sent |= cancelAllSent
			m.emit(CancelAll, c)
			m.arm(c, StopTimer, limit-MostOf(limit))
		default:
			m.abandonAllIn(c)
		}
	}
	m.endEvent()
}

// MostOf returns nine tenths of a stop timeout, which is the time that a nested supervisor
// has to stop in order. In the last tenth it stops all its remaining children at once.
func MostOf(d time.Duration) time.Duration { return d - d/10 }

// cancel asks a child that is alive to stop.
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

// abandonAllIn makes the supervisor in c abandon its children. It is not abandoned itself,
// so that the children that held it up are reported instead.
func (m *Machine) abandonAllIn(c *Child) {
	c.sent |= abandonAllSent
	m.emit(AbandonAll, c)
}

// abandon stops waiting for the run of c. For the supervisor the run has ended.
func (m *Machine) abandon(c *Child) {
	c.ensureFailures().Abandoned++
	m.emit(Abandon, c)
	m.informWaiters(c)
	m.publish(Abandoned, c, nil)
	m.stoppedExit(c, Outcome{}, true)
}
