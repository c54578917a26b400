package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// Close ends the supervisor because somebody asked: children stop in reverse
// order. It has no effect on one that ends already.
func (m *Machine) Close(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	m.endEvent()
}

// giveUp ends the supervisor because of c.
func (m *Machine) giveUp(kind EndKind, c *Child, err error) {
	if m.phase < Closing {
		m.publish(GaveUp, c, err)
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
		c.marked, c.held, c.leftStopped = false, false, false
		if c.state == child.Waiting {
			m.setState(c, child.Stopped)
			m.answerWaiters(c, false, nil)
		}
		switch {
		case c == end.Child:
			m.answerWaiters(c, true, end.Err)
		default:
			m.answerWaiters(c, true, ErrNotRunning)
		}
	}
	m.waitsFor, m.op, m.firstMarked, m.cursor = nil, opStopping, m.first, m.last
	if !m.ordered() {
		m.cursor = m.first
		m.walkBatch()
	}
}

// CancelAll says that there is no time for order any more: all that are left are
// asked to stop, without waiting for one another. Their own timeouts still hold.
func (m *Machine) CancelAll(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.startSweep(sweepCancel)
	}
	m.endEvent()
}

// AbandonAll says that there is no time left: what has not returned is abandoned, and
// nested supervisors are halted.
func (m *Machine) AbandonAll(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.startSweep(sweepAbandon)
	}
	m.endEvent()
}

// hastened asks one child to stop. A supervisor in it is asked to hurry, too.
func (m *Machine) cancelNow(c *Child) {
	if c.alive() && c.state != child.Stopping {
		m.cancel(c, WhyClosing)
	}
	if c.alive() && c.Nested {
		m.emit(CancelAll, c)
	}
}

// haltedNow ends one child: it is asked to stop if it was not, and not waited for.
func (m *Machine) abandonNow(c *Child) {
	if c.alive() && c.state != child.Stopping {
		m.cancel(c, WhyClosing)
	}
	switch {
	case !c.alive():
	case c.Nested:
		m.abandonAllIn(c)
	default:
		m.abandon(c)
	}
}

// over ends the life.
func (m *Machine) over() {
	m.phase, m.since = Over, m.now
	m.op, m.cursor, m.firstMarked = opNone, nil, nil
	m.sweep = sweep{}
	if len(m.names) != m.specs { // some were removed at the end
		m.names = make(map[string]*Child, m.specs)
		for c := m.first; c != nil; c = c.next {
			m.names[c.Name()] = c
		}
	}
	m.emit(IsOver, nil)
}
