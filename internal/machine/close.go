package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// Close ends the supervisor by request. Its children stop in reverse order. It has no
// effect if the supervisor ends already.
func (m *Machine) Close(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	m.endEvent()
}

// giveUp ends the supervisor because of a failure of c.
func (m *Machine) giveUp(kind EndKind, c *Child, err error) {
	if m.givesUpTrial(c, err) {
		return
	}
	if m.phase < Closing {
		m.publish(GaveUp, c, err)
	}
	m.close(End{Kind: kind, Child: c, Err: err})
}

// close begins the end. Callers that wait for a start are answered now, because it will
// not come.
func (m *Machine) close(end End) {
	if m.phase >= Closing {
		return
	}
	m.phase, m.since, m.end = Closing, m.now, end
	m.sweep = sweep{}
	m.emit(IsClosing, nil)
	for c := m.first; c != nil; c = c.next {
		c.marked, c.held, c.leftStopped = false, false, false
		if c.node != 0 {
			m.touch(c)
		}
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

// CancelAll ends the supervisor and asks all its children to stop at once, without order,
// because little time is left. Their own stop timeouts still apply.
func (m *Machine) CancelAll(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.startSweep(sweepCancel)
	}
	m.endEvent()
}

// AbandonAll ends the supervisor and abandons all runs that have not returned, because no
// time is left. Nested supervisors must do the same.
func (m *Machine) AbandonAll(now time.Duration) {
	m.beginEvent(now)
	m.close(End{Kind: EndAsked})
	if m.phase == Closing {
		m.startSweep(sweepAbandon)
	}
	m.endEvent()
}

// cancelNow asks one child to stop. A supervisor in it must do the same with its children.
func (m *Machine) cancelNow(c *Child) {
	if c.alive() && c.state != child.Stopping {
		m.cancel(c, WhyClosing)
	}
	if c.alive() && c.Nested {
		m.emit(CancelAll, c)
	}
}

// abandonNow abandons one child, which is asked to stop if it was not before. A supervisor
// in it must abandon its children instead.
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

// over ends the life: no child runs any more.
func (m *Machine) over() {
	m.phase, m.since = Over, m.now
	m.op, m.cursor, m.firstMarked = opNone, nil, nil
	m.sweep = sweep{}
	if m.names != nil && len(m.names) != m.specs { // some were removed while closing
		m.listNames()
	}
	m.emit(IsOver, nil)
}
