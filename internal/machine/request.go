package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// Add adds a child and starts it. The waiter is answered when it is ready, or
// with the error of its start, and then it is not kept. The spec is valid; it is
// copied.
func (m *Machine) Add(spec *child.Spec, who *Waiter, now time.Duration) *Child {
	m.beginEvent(now)
	var refusal error
	switch {
	case m.phase == Unborn || m.phase >= Closing:
		refusal = ErrNotRunning
	case m.suspended:
		refusal = ErrSuspended
	case m.names[spec.Name] != nil:
		refusal = ErrDuplicate
	case m.conf.MaxChildren > 0 && m.specs >= m.conf.MaxChildren:
		refusal = ErrMaxChildren
	}
	if refusal != nil {
		m.refuse(who, refusal)
		m.endEvent()
		return nil
	}
	kept := &struct {
		Child
		spec child.Spec
	}{spec: *spec}
	c := m.append(&kept.Child, &kept.spec, originAdded)
	c.addWaiter(who, true)
	m.startAsked(c)
	m.endEvent()
	return c
}

// Restart stops c if it runs, and starts it. The waiter is answered when it is
// ready, or with the error of its start; then it is Stopped. It costs nothing of
// the permitted restarts.
func (m *Machine) Restart(c *Child, who *Waiter, now time.Duration) {
	m.beginEvent(now)
	switch {
	case m.phase >= Closing:
		m.refuse(who, ErrNotRunning)
		m.endEvent()
		return
	case !c.present || c.state == child.Stopping && c.afterStop == afterStopRemove:
		m.refuse(who, ErrNotFound)
		m.endEvent()
		return
	case m.suspended:
		m.refuse(who, ErrSuspended)
		m.endEvent()
		return
	}
	c.addWaiter(who, true)
	if c.marked { // it is on its way; if its group waits for its backoff, no longer
		if m.waitsFor == c {
			m.waitsFor = nil
			m.disarmRetry(c)
		}
		m.endEvent()
		return
	}
	if c.origin != originAdded && c.origin != originBoot {
		c.origin = originManual
	}
	switch c.state {
	case child.Starting, child.Running:
		c.afterStop = afterStopStart
		m.cancel(c, WhyStopped)
	case child.Stopping:
		c.afterStop = afterStopStart
	case child.Waiting: // as if its restart were due, but not charged
		if m.restartsAlone() || m.phase == Booting {
			m.launch(c, false)
		} else {
			m.markGroup(c)
		}
	default:
		m.startAsked(c)
	}
	m.endEvent()
}

// Stop stops c, or cancels its restart, and with forget removes it. The waiter
// is answered when it is gone: with nil, or ErrAbandoned.
func (m *Machine) Stop(c *Child, forget bool, who *Waiter, now time.Duration) {
	m.beginEvent(now)
	switch {
	case m.phase >= Closing:
		m.refuse(who, ErrNotRunning)
		m.endEvent()
		return
	case !c.present:
		m.refuse(who, nil) // it is gone
		m.endEvent()
		return
	}
	c.addWaiter(who, false)
	why, to := WhyStopped, afterStopKeep
	if forget || c.afterStop == afterStopRemove {
		why, to = WhyRemoved, afterStopRemove
	}
	switch c.state {
	case child.Starting, child.Running:
		c.afterStop, c.marked = to, false
		m.cancel(c, why)
	case child.Stopping:
		c.afterStop, c.marked = to, false
	default:
		if c.state == child.Waiting && !c.marked {
			m.publishLeftStopped(c)
		}
		if c.state == child.Waiting {
			m.publish(Stopped, c, nil).Clean = true
		}
		if forget {
			m.retireAndRemove(c, child.ErrRemoved)
		} else {
			m.retire(c, child.Stopped, child.ErrStopped)
		}
	}
	m.endEvent()
}

// Suspend holds back all starts: of new children, which are refused, and of
// restarts, which wait. What runs goes on, and stops go on.
func (m *Machine) Suspend(now time.Duration) {
	m.beginEvent(now)
	m.suspended = true
	if m.sweep.what == sweepResume { // the rest stays held
		m.sweep = sweep{}
	}
	m.endEvent()
}

// Resume lets starts go on.
func (m *Machine) Resume(now time.Duration) {
	m.beginEvent(now)
	if m.suspended {
		m.suspended = false
		m.walkBatch()
		m.startSweep(sweepResume)
	}
	m.endEvent()
}

// resumed starts one child that was held.
func (m *Machine) resumeHeld(c *Child) {
	if !c.held {
		return
	}
	c.held = false
	if c.origin == originAuto {
		m.restartAlone(c)
	} else {
		m.startAsked(c)
	}
}

// Linked says that a supervisor runs in a run of c: its stop has no limit of
// its own unless the spec sets one, and it is never abandoned. If c is being stopped
// already, the time that is left is divided as cancel does it.
func (m *Machine) Linked(c *Child, run uint64, now time.Duration) {
	m.beginEvent(now)
	if c.run == run && c.alive() {
		c.Nested = true
		if !c.Super {
			c.Super = true
			m.supers += count(c.present)
		}
		if c.state == child.Stopping && c.armed == StopTimer {
			if d, limited := c.StopTimeout(); limited {
				m.arm(c, StopTimer, max(MostOf(d)-(now-c.Since), 0))
			} else {
				m.disarm(c)
			}
		}
	}
	m.endEvent()
}

// Unlinked says that the supervisor in a run of c has ended: what is left of
// the run is the child's own, and has its stop timeout for itself, or, if there
// was no time left for the supervisor, afterHalt.
func (m *Machine) Unlinked(c *Child, run uint64, now time.Duration) {
	m.beginEvent(now)
	if c.run == run && c.Nested {
		c.Nested = false
		if c.state == child.Stopping {
			d, limited := c.StopTimeout()
			if c.abandonAllSent {
				d, limited = afterHalt, true
			}
			if limited {
				m.arm(c, StopTimer, d)
			}
		}
	}
	m.endEvent()
}

// afterHalt is how long a run may take to return when the supervisor in it was
// halted: time is up, but to abandon it at once would blame it for nothing.
const afterHalt = time.Second
