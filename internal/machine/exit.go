package machine

import (
	"context"
	"errors"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/rules"
)

// Ready reports that a run is ready. It has no effect unless the run is starting.
func (m *Machine) Ready(c *Child, run uint64, now time.Duration) {
	m.beginEvent(now)
	if c.run == run && c.state == child.Starting {
		took := m.now - c.Since
		m.setState(c, child.Running)
		c.failing = false
		isNew := len(m.trials) == 0 || m.readyOnTrial(c)
		m.publish(Ready, c, nil).Wait = took
		if every := c.heartbeat(); every > 0 {
			m.arm(c, BeatTimer, every)
		}
		if isNew {
			m.answerWaiters(c, true, nil)
		}
		m.bootSettled(c)
	}
	m.endEvent()
}

// Exited reports that a run has returned. It must come once for every run. If the run was
// abandoned, Exited has no effect other than to publish LateExit.
func (m *Machine) Exited(c *Child, run uint64, out Outcome, now time.Duration) {
	m.beginEvent(now)
	switch was := c.state; {
	case c.run != run || !c.alive():
		c.ensureFailures().Abandoned--
		m.publish(LateExit, c, out.Err).Run = run
	case was == child.Stopping || c.marked || m.phase == Closing || m.mustStop(c):
		m.stoppedExit(c, out, false)
	case was == child.Starting:
		m.startExit(c, out)
	default:
		m.runExit(c, out)
	}
	m.endEvent()
}

// stoppedExit handles the end of a run that had to stop: by request, with its group, with
// the supervisor, or because of a start timeout or a missed heartbeat. Only the last two
// are failures. In all other cases the end costs no restart and does not end the
// supervisor.
func (m *Machine) stoppedExit(c *Child, out Outcome, abandoned bool) {
	after := c.afterStop
	c.afterStop, c.failing = afterStopKeep, false
	var answer error
	if abandoned {
		answer = ErrAbandoned
	} else {
		// What the run returned is part of the failure that follows, if one does.
		fails := after == afterStopFail && !c.marked && m.phase < Closing
		unclean := out.Unclean && !fails
		if unclean {
			c.SetLastError(out.Err, m.now)
		}
		if unclean || c.Super && !fails { // a supervisor that ran in it may have faults to report
			a := m.emit(Report, c)
			if unclean {
				a.Err = out.Err
			}
			m.informWaiters(c)
		}
		m.publish(Stopped, c, out.Err).Clean = !unclean
	}
	m.setState(c, child.Stopped)
	m.answerWaiters(c, false, answer)
	switch {
	case m.phase == Closing:
		m.retire(c, child.Stopped, ErrNotRunning)
	case after == afterStopRemove:
		m.retireAndRemove(c, child.ErrRemoved)
	case len(m.trials) > 0 && m.isDownAgain(c):
		m.downAgain(c, m.trials[c], child.ErrStopped)
	case after == afterStopStart && !c.marked:
		m.startAsked(c)
	case c.marked && c.temporary() && (c.node == 0 || after != afterStopStart):
		m.retire(c, child.Stopped, child.ErrSibling)
	case c.marked:
		m.setState(c, child.Waiting)
	case after == afterStopFail && c.hung:
		m.runExit(c, stopFailure(child.ErrHung, out.Err))
	case after == afterStopFail:
		m.startExit(c, stopFailure(child.ErrStartTimeout, out.Err))
	default:
		m.retire(c, child.Stopped, m.publishSunk(c))
	}
}

// stopFailure returns the outcome of a run that was stopped because of a failure. The
// error that the run returned is kept as the cause, unless it only says that the run was
// stopped.
func stopFailure(sentinel, returned error) Outcome {
	if returned == nil || returned == sentinel || returned == context.Canceled {
		return Outcome{Kind: Failure, Err: sentinel}
	}
	return Outcome{Kind: Failure, Err: &errs.Wrap{Sentinel: sentinel, Cause: returned}}
}

// retire makes c Stopped or Done, so that nothing more happens to it until a request. All
// callers that wait for c are answered, those that wait for its start with err. A
// Temporary child, or any child of an Independent supervisor, is then removed.
func (m *Machine) retire(c *Child, s child.State, err error) {
	m.retireKept(c, s, err)
	if c.temporary() || m.forgets() {
		m.remove(c)
	}
}

// retireKept retires c and never removes it.
func (m *Machine) retireKept(c *Child, s child.State, err error) {
	if m.waitsFor == c {
		m.waitsFor = nil
	}
	c.marked, c.held, c.leftStopped, c.charged = false, false, false, false
	c.failing = false
	m.dropTrial(c)
	m.setState(c, s)
	m.answerWaiters(c, false, nil)
	m.answerWaiters(c, true, err)
	m.bootSettled(c)
	m.noteRetired(c)
}

// noteRetired emits Retired if the shell wants it.
func (m *Machine) noteRetired(c *Child) {
	if c.Watched {
		m.emitRetired(c)
	}
}

// emitRetired is not inlined, to keep the frames of its callers small: they may stop a
// child on the stack of another.
//
//go:noinline
func (m *Machine) emitRetired(c *Child) { m.emit(Retired, c) }

// retireAndRemove retires c and removes it, whatever its Restart.
func (m *Machine) retireAndRemove(c *Child, err error) {
	m.retire(c, child.Stopped, err)
	if m.isPresent(c) {
		m.remove(c)
	}
}

// errNilBeforeReady is the failure of a Permanent child that returned nil before Ready.
var errNilBeforeReady error = &errs.Wrap{Sentinel: child.ErrNotReady, Cause: errors.New("Run returned nil before ctx.Ready")}

// startExit handles the end of a run that was never ready.
func (m *Machine) startExit(c *Child, out Outcome) {
	switch {
	case out.GaveUp:
		out.Kind = Failure // of a supervisor that never was up: its start failed
	case out.Kind == Normal && c.Spec.Restart == child.Permanent:
		out = Outcome{Kind: Failure, Err: errNilBeforeReady}
	case out.Kind == Shutdown && c.Spec.Restart == child.Permanent:
		out.Kind = Failure
	}
	switch out.Kind {
	case Ignore:
		m.endTrial(c)
		c.Ignored = true
		m.publish(Completed, c, out.Err).Next = StaysDown
		m.notStarted(c, nil)
		return
	case Normal, Shutdown, Done:
		m.endTrial(c)
		m.completed(c, out)
		return
	}
	if m.startFailed(c, out) {
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
	m.noteFailure(c, out.Err, next)
	switch {
	case out.Kind == Escalated:
		m.setState(c, child.Stopped)
		m.giveUp(EndEscalated, c, out.Err)
	case retry:
		c.origin, c.charged, c.healthy, c.ensureFailures().reason = originAuto, false, false, out.Err
		m.setState(c, child.Waiting)
		if m.reached(c) {
			m.dissolve(c)
		}
		m.awaitRetry(c)
	case c.origin == originAdded && m.NeededBy(c) == nil:
		m.retireAndRemove(c, out.Err)
	case c.origin == originBoot:
		m.setState(c, child.Stopped)
		m.close(End{Kind: EndStart, Child: c, Err: out.Err})
	default:
		if m.reached(c) { // the children after it do not start without it
			m.dissolve(c)
			m.publishLeftStopped(c)
		}
		m.notStarted(c, out.Err)
		if c.node != 0 {
			m.sink(c, &needError{c.Name(), out.Err})
		}
	}
}

// notStarted retires a child whose start was declined, or failed and is not retried. A
// child whose start was a RestartChild is kept for another attempt, as in OTP, even if it
// is Temporary.
func (m *Machine) notStarted(c *Child, err error) {
	if c.origin == originManual && !m.forgets() {
		m.retireKept(c, child.Stopped, err)
		return
	}
	m.retire(c, child.Stopped, err)
}

// runExit handles the end of a run that was ready.
func (m *Machine) runExit(c *Child, out Outcome) {
	clean := out.Kind == Normal || out.Kind == Shutdown
	c.healthy = !c.hung && m.now-c.Since-m.Unready >= c.ResetAfter()
	if out.Kind == Done || clean && c.Spec.Restart != child.Permanent {
		m.completed(c, out)
		return
	}
	next := m.afterRun(c, out)
	if clean && !out.GaveUp {
		c.failing = false
		m.publish(Completed, c, out.Err).Next = next
	} else {
		m.noteFailure(c, out.Err, next)
	}
	switch {
	case out.Kind == Escalated:
		m.setState(c, child.Stopped)
		m.giveUp(EndEscalated, c, out.Err)
	case next == StaysDown:
		m.retire(c, child.Done, out.Err)
		m.autoShutdown(c, out.Err)
	case next == SupervisorGivesUp:
		m.setState(c, child.Waiting)
		m.giveUp(EndIntensity, c, out.Err)
	default:
		m.setState(c, child.Waiting)
		m.beginRestart(c, out.Err)
	}
}

// ResetAfter returns how long a run must be ready for the backoff to start over.
func (c *Child) ResetAfter() time.Duration {
	if c.Spec.ResetAfter == 0 {
		return child.DefaultResetAfter
	}
	return c.Spec.ResetAfter
}

// noteFailure records a failure, and publishes it with what follows.
func (m *Machine) noteFailure(c *Child, err error, next Next) {
	c.failing = true
	c.SetLastError(err, m.now)
	m.publish(Failed, c, err).Next = next
}

// completed handles an end that is neither restarted nor a failure: the child is Done.
// The end of a supervisor that gave up is handled here too, but is published as a failure.
func (m *Machine) completed(c *Child, out Outcome) {
	var err error
	if out.GaveUp {
		c.Lost = true
		err = out.Err
		m.noteFailure(c, err, StaysDown)
	} else {
		m.publish(Completed, c, out.Err).Next = StaysDown
	}
	m.retire(c, child.Done, nil)
	m.autoShutdown(c, err)
}

// autoShutdown ends the supervisor if the end of c requires it. While the supervisor
// boots, the end is remembered until it is up, as in OTP.
func (m *Machine) autoShutdown(c *Child, err error) {
	switch {
	case !c.significant():
	case m.phase == Booting:
		if m.endedInBoot == nil {
			m.endedInBoot, m.endedInBootErr = c, err
		}
	case m.phase == Up && rules.Due(m.conf.AutoShutdown, m.significant):
		m.close(End{Kind: EndAuto, Child: c, Err: err})
	}
}
