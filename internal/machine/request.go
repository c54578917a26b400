package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/rules"
)

// Add adds a child and starts it. It returns nil if that is refused. The waiter is
// answered when the child is ready, or with the error of its start; then the child is
// removed. The spec must be valid, and is copied.
func (m *Machine) Add(spec *child.Spec, caller *Waiter, now time.Duration) *Child {
	return m.AddWithin(m.conf.MaxChildren, spec, caller, now)
}

// AddWithin is Add with another limit in place of MaxChildren.
func (m *Machine) AddWithin(limit int, spec *child.Spec, caller *Waiter, now time.Duration) *Child {
	m.beginEvent(now)
	var refusal error
	switch {
	case m.phase == Unborn || m.phase >= Closing:
		refusal = ErrNotRunning
	case m.suspended:
		refusal = ErrSuspended
	case m.Child(spec.Name) != nil:
		refusal = ErrDuplicate
	case limit > 0 && m.specs >= limit:
		refusal = ErrMaxChildren
	case m.isGraph():
		refusal = m.refuseEdges(spec)
	}
	if refusal != nil {
		m.refuse(caller, refusal)
		m.endEvent()
		return nil
	}
	kept := &struct {
		Child
		spec child.Spec
	}{spec: rules.Copy(*spec)}
	c := m.append(&kept.Child, &kept.spec, originAdded)
	c.addWaiter(caller, true)
	if m.isGraph() {
		m.connect(c)
	}
	m.startAsked(c)
	m.endEvent()
	return c
}

// Restart stops c if it is alive, and starts it. The waiter is answered when c is ready,
// or with the error of its start; then c is Stopped. The restart does not count towards
// the intensity.
func (m *Machine) Restart(c *Child, caller *Waiter, now time.Duration) {
	m.beginEvent(now)
	if err := m.refuseRestart(c); err != nil {
		m.refuse(caller, err)
	} else {
		m.keepUp(c)
		m.restart(c, caller)
	}
	m.endEvent()
}

// refuseRestart returns why c cannot be restarted by request, or nil.
func (m *Machine) refuseRestart(c *Child) error {
	switch {
	case m.phase >= Closing:
		return ErrNotRunning
	case !m.isPresent(c) || c.Removing():
		return ErrNotFound
	case m.suspended:
		return ErrSuspended
	}
	return nil
}

func (m *Machine) restart(c *Child, caller *Waiter) {
	c.addWaiter(caller, true)
	if c.node != 0 {
		m.restartNode(c)
		return
	}
	if c.marked { // it will start with its group, which no longer waits for its backoff
		if m.waitsFor == c {
			m.waitsFor = nil
			m.disarmRetry(c)
		}
		return
	}
	c.requestOrigin()
	switch c.state {
	case child.Starting, child.Running:
		c.afterStop = afterStopStart
		m.cancel(c, WhyStopped)
	case child.Stopping:
		c.afterStop = afterStopStart
	case child.Waiting: // as if its retry were due, but not charged
		if m.restartsAlone() || m.phase == Booting {
			m.launch(c, false)
		} else {
			m.markGroup(c)
		}
	default:
		m.startAsked(c)
	}
}

// requestOrigin makes the next start of c one that a caller asked for.
func (c *Child) requestOrigin() {
	if c.origin != originAdded && c.origin != originBoot {
		c.origin = originManual
	}
}

// Stop stops c, or cancels its restart, and removes it if remove is true. The waiter is
// answered when c has stopped: with nil, or ErrAbandoned.
func (m *Machine) Stop(c *Child, remove bool, caller *Waiter, now time.Duration) {
	m.beginEvent(now)
	switch {
	case m.phase >= Closing:
		m.refuse(caller, ErrNotRunning)
		m.endEvent()
		return
	case !m.isPresent(c):
		m.refuse(caller, nil) // it was removed
		m.endEvent()
		return
	case remove && m.NeededBy(c) != nil:
		m.refuse(caller, &NeededError{m.NeededBy(c).Name()})
		m.endEvent()
		return
	}
	c.addWaiter(caller, false)
	why, to := WhyStopped, afterStopKeep
	if remove || c.afterStop == afterStopRemove {
		why, to = WhyRemoved, afterStopRemove
	}
	if c.node != 0 {
		m.stopNode(c, to, why)
		m.endEvent()
		return
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
			a := m.publish(Stopped, c, nil)
			a.Clean, a.Run = true, 0
		}
		if remove {
			m.retireAndRemove(c, child.ErrRemoved)
		} else {
			m.retire(c, child.Stopped, child.ErrStopped)
		}
	}
	m.endEvent()
}

// Suspend holds back all starts: new children and requested restarts are refused, and
// automatic restarts wait for Resume. It affects neither runs nor stops.
func (m *Machine) Suspend(now time.Duration) {
	m.beginEvent(now)
	m.suspended = true
	if m.sweep.what == sweepResume { // the remaining children stay held
		m.sweep = sweep{}
	}
	m.endEvent()
}

// Resume permits starts again, and begins to start what waited for it.
func (m *Machine) Resume(now time.Duration) {
	m.beginEvent(now)
	if m.suspended {
		m.suspended = false
		m.walkBatch()
		m.startSweep(sweepResume)
	}
	m.endEvent()
}

// resumeHeld starts c if its start is held.
func (m *Machine) resumeHeld(c *Child) {
	if c.node != 0 {
		m.touch(c)
		return
	}
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

// Linked reports that a supervisor runs in a run of c. Its stop has no limit unless the
// spec sets one, and it is never abandoned. If c is Stopping already, Linked sets the stop
// timer as cancel does for a nested supervisor.
func (m *Machine) Linked(c *Child, run uint64, now time.Duration) {
	m.beginEvent(now)
	if c.run == run && c.alive() {
		c.Nested = true
		if !c.Super {
			c.Super = true
			m.supers += count(m.isPresent(c))
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

// Unlinked reports that the supervisor in a run of c has ended. The rest of the run has
// the stop timeout of c, or AfterAbandonAll if that had passed for the supervisor.
func (m *Machine) Unlinked(c *Child, run uint64, now time.Duration) {
	m.beginEvent(now)
	if c.run == run && c.Nested {
		c.Nested = false
		if c.state == child.Stopping {
			d, limited := c.StopTimeout()
			if c.sent&abandonAllSent != 0 {
				d, limited = AfterAbandonAll, true
			}
			if limited {
				m.arm(c, StopTimer, d)
			}
		}
	}
	m.endEvent()
}

// AfterAbandonAll is how long a run may take to return after the supervisor in it had to
// abandon its children. The stop timeout has passed, but the run itself had no chance to
// return before.
const AfterAbandonAll = time.Second
