package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// Add adds a child and starts it. The waiter is answered when it is ready, or
// with the error of its start, and then it is not kept. The spec is valid; it is
// copied.
func (m *Machine) Add(spec *child.Spec, who *Waiter, now time.Duration) (*Child, []Action) {
	m.begin(now)
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
		return nil, m.finish()
	}
	kept := &struct {
		Child
		spec child.Spec
	}{spec: *spec}
	c := m.append(&kept.Child, &kept.spec, originAdded)
	c.await(who, true)
	m.start(c)
	return c, m.finish()
}

func (m *Machine) refuse(who *Waiter, err error) {
	if who != nil {
		a := m.emit(Answer, nil)
		a.Waiter, a.Err = who, err
	}
}

// Restart stops c if it runs, and starts it. The waiter is answered when it is
// ready, or with the error of its start; then it is Stopped. It costs nothing of
// the permitted restarts.
func (m *Machine) Restart(c *Child, who *Waiter, now time.Duration) []Action {
	m.begin(now)
	switch {
	case m.phase >= Closing:
		m.refuse(who, ErrNotRunning)
		return m.finish()
	case !c.linked || c.state == child.Stopping && c.then == thenForget:
		m.refuse(who, ErrNotFound)
		return m.finish()
	case m.suspended:
		m.refuse(who, ErrSuspended)
		return m.finish()
	}
	c.await(who, true)
	if c.taken { // it is on its way; if its group waits for its backoff, no longer
		if m.leader == c {
			m.leader = nil
			m.disarmRetry(c)
		}
		return m.finish()
	}
	if c.origin != originAdded && c.origin != originBoot {
		c.origin = originManual
	}
	switch c.state {
	case child.Starting, child.Running:
		c.then = thenAgain
		m.cancel(c, WhyStopped)
	case child.Stopping:
		c.then = thenAgain
	case child.Waiting: // as if its restart were due, but not charged
		if m.alone() || m.phase == Booting {
			m.launch(c, false)
		} else {
			m.take(c)
		}
	default:
		m.start(c)
	}
	return m.finish()
}

// Stop stops c, or cancels its restart, and with forget removes it. The waiter
// is answered when it is gone: with nil, or ErrAbandoned.
func (m *Machine) Stop(c *Child, forget bool, who *Waiter, now time.Duration) []Action {
	m.begin(now)
	switch {
	case m.phase >= Closing:
		m.refuse(who, ErrNotRunning)
		return m.finish()
	case !c.linked:
		m.refuse(who, nil) // it is gone
		return m.finish()
	}
	c.await(who, false)
	why, to := WhyStopped, thenKeep
	if forget || c.then == thenForget {
		why, to = WhyRemoved, thenForget
	}
	switch c.state {
	case child.Starting, child.Running:
		c.then, c.taken = to, false
		m.cancel(c, why)
	case child.Stopping:
		c.then, c.taken = to, false
	default:
		if c.state == child.Waiting && !c.taken {
			m.tellLeft(c)
		}
		if c.state == child.Waiting {
			m.tell(Stopped, c, nil).Clean = true
		}
		if forget {
			m.forget(c, child.ErrRemoved)
		} else {
			m.rest(c, child.Stopped, child.ErrStopped)
		}
	}
	return m.finish()
}

// Suspend holds back all starts: of new children, which are refused, and of
// restarts, which wait. What runs goes on, and stops go on.
func (m *Machine) Suspend(now time.Duration) []Action {
	m.begin(now)
	m.suspended = true
	if m.sweep.what == resume { // the rest stays held
		m.sweep = sweep{}
	}
	return m.finish()
}

// Resume lets starts go on.
func (m *Machine) Resume(now time.Duration) []Action {
	m.begin(now)
	if m.suspended {
		m.suspended = false
		m.walk()
		m.sweepOver(resume)
	}
	return m.finish()
}

// resumed starts one child that was held.
func (m *Machine) resumed(c *Child) {
	if !c.held {
		return
	}
	c.held = false
	if c.origin == originAuto {
		m.restart(c)
	} else {
		m.start(c)
	}
}

// Linked says that a supervisor runs in a run of c: its stop has no limit of
// its own unless the spec sets one, and it is never abandoned. If c is being stopped
// already, the time that is left is divided as cancel does it.
func (m *Machine) Linked(c *Child, run uint64, now time.Duration) []Action {
	m.begin(now)
	if c.run == run && c.alive() {
		c.Nested = true
		if !c.Super {
			c.Super = true
			m.supers += count(c.linked)
		}
		if c.state == child.Stopping && c.armed == StopTimer {
			if d, limited := c.StopTimeout(); limited {
				m.arm(c, StopTimer, max(MostOf(d)-(now-c.Since), 0))
			} else {
				m.disarm(c)
			}
		}
	}
	return m.finish()
}

// Unlinked says that the supervisor in a run of c has ended: what is left of
// the run is the child's own, and has its stop timeout for itself, or, if there
// was no time left for the supervisor, afterHalt.
func (m *Machine) Unlinked(c *Child, run uint64, now time.Duration) []Action {
	m.begin(now)
	if c.run == run && c.Nested {
		c.Nested = false
		if c.state == child.Stopping {
			d, limited := c.StopTimeout()
			if c.halted {
				d, limited = afterHalt, true
			}
			if limited {
				m.arm(c, StopTimer, d)
			}
		}
	}
	return m.finish()
}

// afterHalt is how long a run may take to return when the supervisor in it was
// halted: time is up, but to abandon it at once would blame it for nothing.
const afterHalt = time.Second
