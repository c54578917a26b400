package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// launch starts a run of c. A restart by the supervisor is counted.
func (m *Machine) launch(c *Child, restart bool) {
	c.taken, c.held, c.left, c.hung, c.hasty, c.halted = false, false, false, false, false, false
	c.Nested, c.Lost, c.Ignored = false, false, false
	if m.leader == c {
		m.leader = nil
	}
	if restart {
		c.Restarts++
	}
	c.run++
	m.setState(c, child.Starting)
	m.emit(Launch, c)
	m.tell(Starting, c, nil)
	if t := c.Spec.StartTimeout; t > 0 && t <= SlowStartAfter {
		m.arm(c, StartTimer, t)
	} else {
		m.arm(c, SlowTimer, SlowStartAfter)
	}
}

// start starts c because somebody asked, in its turn if the lane has yet to
// come to it, or after Resume.
func (m *Machine) start(c *Child) {
	switch {
	case m.lane == down && m.from != nil && c.seq >= m.from.seq,
		m.lane == up && m.cur != nil && c.seq > m.cur.seq:
		c.taken = true
	case m.suspended:
		m.hold(c)
	default:
		m.launch(c, false)
	}
}

// hold keeps a start that is due until Resume.
func (m *Machine) hold(c *Child) {
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
	if m.policy(c) {
		return AsksBackoff
	}
	return Restarts
}

// failed restarts a Waiting child whose run, once ready, has ended.
func (m *Machine) failed(c *Child, err error) {
	c.charged, c.reason = true, err
	switch {
	case m.alone() && m.policy(c):
		m.wait(c)
	case m.alone():
		m.tellRestart(c, 0)
		m.restart(c)
	case m.policy(c):
		m.leader = c
		m.take(c)
	default:
		m.leader = nil
		m.tellRestart(c, 0)
		m.take(c)
	}
}

// charge records a restart of c in the window, and reports whether it is
// permitted. A child with a backoff gives up by its policy.
func (m *Machine) charge(c *Child) bool { return m.policy(c) || m.window.Add(m.now) }

// restart starts a Waiting child alone. It has been told.
func (m *Machine) restart(c *Child) {
	if m.suspended {
		m.hold(c)
		return
	}
	m.launch(c, true)
}

func (m *Machine) tellRestart(c *Child, wait time.Duration) {
	m.tell(Restarting, c, c.reason).Wait = wait
}

// wait puts a Waiting child on its backoff, or, without one, has its retry come
// as an event of its own. A boot that has come to c waits with it.
func (m *Machine) wait(c *Child) {
	if m.phase == Booting && m.reached(c) {
		m.leader = c
	}
	if !m.policy(c) {
		m.arm(c, RetryTimer, 0)
		return
	}
	if !c.asking { // else the answer that is under way will do
		c.asking = true
		m.emit(NextBackoff, c).Reset = c.healthy
	}
}

// BackoffDelay is the answer to Ask: the pause before the next restart of c; negative
// to give up.
func (m *Machine) BackoffDelay(c *Child, d, now time.Duration) []Action {
	m.begin(now)
	c.asking = false
	switch {
	case c.state != child.Waiting || c.taken && m.leader != c || c.held || c.armed != NoTimer:
		// Somebody started, stopped or took it meanwhile, or the end has come.
	case d < 0:
		m.giveUp(EndBackoff, c, c.reason)
	default:
		m.tellRestart(c, d)
		m.arm(c, RetryTimer, d)
		c.NextStart = After(now, d)
	}
	return m.finish()
}

// due takes a restart whose pause is over. A failed attempt is charged here, a
// crash was before. The strategy is applied to the child that could not start,
// which need not be the one that crashed: that is OTP's whole retry rule.
func (m *Machine) due(c *Child) {
	if !c.charged && !m.charge(c) {
		m.giveUp(EndIntensity, c, c.reason)
		return
	}
	c.charged = true
	if !m.policy(c) { // else Delay has told it, with the pause
		m.tellRestart(c, 0)
	}
	if m.alone() {
		if m.reached(c) { // a boot waits for it
			m.leader = nil
			c.taken = false
		}
		m.restart(c)
		return
	}
	m.leader = nil
	m.take(c)
}

// Timer says that the timer of a run has gone off. It is dropped unless it is
// the one that is set.
func (m *Machine) Timer(c *Child, run uint64, t Timer, now time.Duration) []Action {
	m.begin(now)
	if c.run != run || c.armed != t {
		return m.finish()
	}
	c.armed = NoTimer
	switch t {
	case SlowTimer:
		m.tell(SlowStart, c, nil)
		if c.Spec.StartTimeout > 0 {
			m.arm(c, StartTimer, c.Spec.StartTimeout-SlowStartAfter)
		}
	case StartTimer:
		c.then = thenFail
		m.cancel(c, WhyTimeout)
	case BeatTimer:
		m.tell(Hung, c, nil)
		c.then, c.hung = thenFail, true
		m.cancel(c, WhyHung)
	case RetryTimer:
		m.due(c)
	case StopTimer:
		limit, limited := c.StopTimeout()
		switch {
		case !c.Nested:
			m.abandon(c)
		case !c.hasty && limited:
			c.hasty = true
			m.emit(CancelAll, c)
			m.arm(c, StopTimer, limit-MostOf(limit))
		default:
			m.halt(c)
		}
	}
	return m.finish()
}

// MostOf is nine tenths of a stop timeout. The rest of it is for those in a nested
// supervisor that have not been asked by then, and for closing by force.
func MostOf(d time.Duration) time.Duration { return d - d/10 }

// cancel asks an alive child to stop.
func (m *Machine) cancel(c *Child, why Why) {
	m.setState(c, child.Stopping)
	m.emit(Cancel, c).Why = why
	m.tell(Stopping, c, nil)
	switch d, limited := c.StopTimeout(); {
	case !limited:
	case d > 0 && c.Nested:
		m.arm(c, StopTimer, MostOf(d))
	case d > 0:
		m.arm(c, StopTimer, d)
	case c.Nested:
		m.halt(c)
	default:
		m.abandon(c)
	}
}

// halt ends the supervisor in c now. It is not abandoned itself, so that what is
// reported is who held it up.
func (m *Machine) halt(c *Child) {
	c.halted = true
	m.emit(AbandonAll, c)
}

// abandon leaves a run to itself. To the supervisor it is gone.
func (m *Machine) abandon(c *Child) {
	c.Abandoned++
	m.emit(Abandon, c)
	m.inform(c)
	m.tell(Abandoned, c, nil)
	m.gone(c, Outcome{}, true)
}
