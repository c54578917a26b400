package machine

import (
	"context"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/rules"
)

// Ready says that a run is ready. It is dropped unless the run is starting.
func (m *Machine) Ready(c *Child, run uint64, now time.Duration) []Action {
	m.begin(now)
	if c.run == run && c.state == child.Starting {
		m.setState(c, child.Running)
		m.tell(Ready, c, nil)
		if c.Spec.Heartbeat > 0 {
			m.arm(c, BeatTimer, c.Spec.Heartbeat)
		}
		m.answer(c, true, nil)
		m.settled(c)
	}
	return m.finish()
}

// Exited says that a run has returned. Every run brings this news once. If the
// run was abandoned meanwhile, only the news is told.
func (m *Machine) Exited(c *Child, run uint64, out Outcome, now time.Duration) []Action {
	m.begin(now)
	switch was := c.state; {
	case c.run != run || !c.alive():
		c.Abandoned--
		m.tell(LateExit, c, out.Err).Run = run
	case was == child.Stopping || c.taken || m.phase == Closing:
		m.gone(c, out, false)
	case was == child.Starting:
		m.startEnded(c, out)
	default:
		m.runEnded(c, out)
	}
	return m.finish()
}

// gone takes the end of a run that was to stop anyway: it is no failure, costs
// no restart and ends no supervisor.
func (m *Machine) gone(c *Child, out Outcome, abandoned bool) {
	then := c.then
	c.then = thenKeep
	var answer error
	if abandoned {
		answer = ErrAbandoned
	} else {
		fails := then == thenFail && !c.taken && m.phase < Closing // what it returned stands in that failure
		unclean := out.Unclean && !fails
		if unclean {
			c.SetLastError(out.Err, m.now)
		}
		if unclean || c.Super && !fails { // the supervisor in it may have something to report
			a := m.emit(Report, c)
			if unclean {
				a.Err = out.Err
			}
			m.inform(c)
		}
		m.tell(Stopped, c, out.Err).Clean = !unclean
	}
	m.setState(c, child.Stopped)
	m.answer(c, false, answer)
	switch {
	case m.phase == Closing:
		m.rest(c, child.Stopped, ErrNotRunning)
	case then == thenForget:
		m.forget(c, child.ErrRemoved)
	case then == thenAgain && !c.taken:
		m.start(c)
	case c.taken && c.Spec.Restart == child.Temporary:
		m.rest(c, child.Stopped, child.ErrSibling)
	case c.taken:
		m.setState(c, child.Waiting)
	case then == thenFail && c.hung:
		m.runEnded(c, failure(child.ErrHung, out.Err))
	case then == thenFail:
		m.startEnded(c, failure(child.ErrStartTimeout, out.Err))
	default:
		m.rest(c, child.Stopped, child.ErrStopped)
	}
}

// failure is the outcome of a run that was stopped for a failure of that kind.
// What the run itself said is kept, unless it only repeats that it was stopped.
func failure(kind, said error) Outcome {
	if said == nil || said == kind || said == context.Canceled {
		return Outcome{Kind: Failure, Err: kind}
	}
	return Outcome{Kind: Failure, Err: &errs.Wrap{Sentinel: kind, Cause: said}}
}

// rest is the only way for a child to come to rest. Everybody who waits for it
// is answered: those who wait for its start with err. A Temporary child is
// forgotten then.
func (m *Machine) rest(c *Child, s child.State, err error) {
	m.stay(c, s, err)
	if c.Spec.Restart == child.Temporary || !m.ordered() {
		m.remove(c)
	}
}

// stay is rest for a child that is kept, also if it is Temporary.
func (m *Machine) stay(c *Child, s child.State, err error) {
	if m.leader == c {
		m.leader = nil
	}
	c.taken, c.held, c.left, c.charged = false, false, false, false
	m.setState(c, s)
	m.answer(c, false, nil)
	m.answer(c, true, err)
	m.settled(c)
	m.rested(c)
}

// rested says that c has come to rest, or is removed, if somebody wants to know.
func (m *Machine) rested(c *Child) {
	if c.Watched {
		m.emitRested(c)
	}
}

// emitRested is not inlined, for the frames of its callers to stay small: they may stop
// a child on the stack of another.
//
//go:noinline
func (m *Machine) emitRested(c *Child) { m.emit(Rested, c) }

// forget brings a child to rest and removes it, whatever its Restart.
func (m *Machine) forget(c *Child, err error) {
	m.rest(c, child.Stopped, err)
	if c.linked {
		m.remove(c)
	}
}

// startEnded takes the end of a run before it was ready.
func (m *Machine) startEnded(c *Child, out Outcome) {
	switch {
	case out.GaveUp:
		out.Kind = Failure // of a supervisor that never came up: its start failed
	case out.Kind == Normal && c.Spec.Restart == child.Permanent:
		out = Outcome{Kind: Failure, Err: child.ErrNotReady}
	case out.Kind == Shutdown && c.Spec.Restart == child.Permanent:
		out.Kind = Failure
	}
	switch out.Kind {
	case Ignore:
		c.Ignored = true
		m.tell(Completed, c, out.Err).Next = StaysDown
		m.notStarted(c, nil)
		return
	case Normal, Shutdown, Done:
		m.finished(c, out)
		return
	}
	retry := c.origin == originAuto || c.Spec.RetryStart
	next := StaysDown
	switch {
	case out.Kind == Escalated:
		next = SupervisorGivesUp
	case retry:
		next = m.nextTry(c)
	}
	m.fails(c, out.Err, next)
	switch {
	case out.Kind == Escalated:
		m.setState(c, child.Stopped)
		m.giveUp(EndEscalated, c, out.Err)
	case retry:
		c.origin, c.charged, c.healthy, c.reason = originAuto, false, false, out.Err
		m.setState(c, child.Waiting)
		if m.reached(c) {
			m.dissolve(c)
		}
		m.wait(c)
	case c.origin == originAdded:
		m.forget(c, out.Err)
	case c.origin == originBoot:
		m.setState(c, child.Stopped)
		m.close(End{Kind: EndStart, Child: c, Err: out.Err})
	default:
		if m.reached(c) { // what comes after it is not to start without it
			m.dissolve(c)
			m.tellLeft(c)
		}
		m.notStarted(c, out.Err)
	}
}

// notStarted brings a child to rest whose start failed, and is not tried again,
// or was declined. A child that was restarted by hand is kept for another try, as
// in OTP, also if it is Temporary.
func (m *Machine) notStarted(c *Child, err error) {
	if c.origin == originManual && m.ordered() {
		m.stay(c, child.Stopped, err)
		return
	}
	m.rest(c, child.Stopped, err)
}

// runEnded takes the end of a run that was ready.
func (m *Machine) runEnded(c *Child, out Outcome) {
	clean := out.Kind == Normal || out.Kind == Shutdown
	c.healthy = !c.hung && m.now-c.Since-m.Unready >= c.resetAfter()
	if out.Kind == Done || clean && c.Spec.Restart != child.Permanent {
		m.finished(c, out)
		return
	}
	next := m.afterRun(c, out)
	if clean && !out.GaveUp {
		m.tell(Completed, c, out.Err).Next = next
	} else {
		m.fails(c, out.Err, next)
	}
	switch {
	case out.Kind == Escalated:
		m.setState(c, child.Stopped)
		m.giveUp(EndEscalated, c, out.Err)
	case next == StaysDown:
		m.rest(c, child.Done, out.Err)
		m.autoShutdown(c, out.Err)
	case next == SupervisorGivesUp:
		m.setState(c, child.Waiting)
		m.giveUp(EndIntensity, c, out.Err)
	default:
		m.setState(c, child.Waiting)
		m.failed(c, out.Err)
	}
}

func (c *Child) resetAfter() time.Duration {
	if c.Spec.ResetAfter == 0 {
		return child.DefaultResetAfter
	}
	return c.Spec.ResetAfter
}

// fails records and tells a failure, and what follows it.
func (m *Machine) fails(c *Child, err error, next Next) {
	c.SetLastError(err, m.now)
	m.tell(Failed, c, err).Next = next
}

// finished takes an end that is not restarted and is no failure of a task. The
// end of a supervisor that gave up is such an end too, but a loud one.
func (m *Machine) finished(c *Child, out Outcome) {
	var err error
	if out.GaveUp {
		c.Lost = true
		err = out.Err
		m.fails(c, err, StaysDown)
	} else {
		m.tell(Completed, c, out.Err).Next = StaysDown
	}
	m.rest(c, child.Done, nil)
	m.autoShutdown(c, err)
}

// autoShutdown ends the supervisor if the end of c calls for it. While it boots
// that is remembered: its starter is to see it up first, as in OTP.
func (m *Machine) autoShutdown(c *Child, err error) {
	switch {
	case !c.Spec.Significant:
	case m.phase == Booting:
		if m.ended == nil {
			m.ended, m.endedErr = c, err
		}
	case m.phase == Up && rules.Due(m.conf.AutoShutdown, m.holders):
		m.close(End{Kind: EndAuto, Child: c, Err: err})
	}
}
