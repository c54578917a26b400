package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// Close ends the supervisor because somebody asked: children stop in reverse
// order. It has no effect on one that ends already.
func (m *Machine) Close(now time.Duration) []Action {
	m.begin(now)
	m.close(End{Kind: EndAsked})
	return m.finish()
}

// giveUp ends the supervisor because of c.
func (m *Machine) giveUp(kind EndKind, c *Child, err error) {
	if m.phase < Closing {
		m.tell(GaveUp, c, err)
	}
	m.close(End{Kind: kind, Child: c, Err: err})
}

// close begins the end. Who waits for a start is answered now: it will not come.
func (m *Machine) close(end End) {
	if m.phase >= Closing {
		return
	}
	m.phase, m.since, m.end = Closing, m.now, end
	m.sweep = sweep{}
	m.emit(IsClosing, nil)
	for c := m.first; c != nil; c = c.next {
		c.taken, c.held, c.left = false, false, false
		if c.state == child.Waiting {
			m.setState(c, child.Stopped)
			m.answer(c, false, nil)
		}
		switch {
		case c == end.Child:
			m.answer(c, true, end.Err)
		default:
			m.answer(c, true, ErrNotRunning)
		}
	}
	m.leader, m.lane, m.from, m.cur = nil, down, m.first, m.last
	if !m.ordered() {
		m.cur = m.first
		m.walk()
	}
}

// CancelAll says that there is no time for order any more: all that are left are
// asked to stop, without waiting for one another. Their own timeouts still hold.
func (m *Machine) CancelAll(now time.Duration) []Action {
	m.begin(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.sweepOver(hasten)
	}
	return m.finish()
}

// AbandonAll says that there is no time left: what has not returned is abandoned, and
// nested supervisors are halted.
func (m *Machine) AbandonAll(now time.Duration) []Action {
	m.begin(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.sweepOver(halt)
	}
	return m.finish()
}

// hastened asks one child to stop. A supervisor in it is asked to hurry, too.
func (m *Machine) hastened(c *Child) {
	if c.alive() && c.state != child.Stopping {
		m.cancel(c, WhyClosing)
	}
	if c.alive() && c.Nested {
		m.emit(CancelAll, c)
	}
}

// haltedNow ends one child: it is asked to stop if it was not, and not waited for.
func (m *Machine) haltedNow(c *Child) {
	if c.alive() && c.state != child.Stopping {
		m.cancel(c, WhyClosing)
	}
	switch {
	case !c.alive():
	case c.Nested:
		m.halt(c)
	default:
		m.abandon(c)
	}
}

// over ends the life.
func (m *Machine) over() {
	m.phase, m.since = Over, m.now
	m.lane, m.cur, m.from = idle, nil, nil
	m.sweep = sweep{}
	if len(m.names) != m.specs { // some were removed at the end
		m.names = make(map[string]*Child, m.specs)
		for c := m.first; c != nil; c = c.next {
			m.names[c.Name()] = c
		}
	}
	m.emit(IsOver, nil)
}
