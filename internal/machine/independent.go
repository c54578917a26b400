package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// A crew is the children of an Independent supervisor. They start and stop side
// by side, and there may be a hundred thousand of them. So a lock is not to be held
// until the last has been asked: the lane walks over a crew in stretches, from the
// front, and between two of them other events may come. One that comes meanwhile
// waits for a stretch or two.

// BatchSize is how many children are started or stopped in one go.
const BatchSize = 256

// Continue goes on with the start or the stop of a crew, and with a sweep. It is what the
// action GoOn asks for; if there is nothing to go on with it changes nothing.
func (m *Machine) Continue(now time.Duration) {
	m.beginEvent(now)
	m.walkBatch()
	m.continueSweep()
	m.endEvent()
}

// goOn asks to come back with More, once for an event.
func (m *Machine) askContinue() {
	if !m.continueAsked {
		m.continueAsked = true
		m.emit(Continue, nil)
	}
}

// walk starts those of a crew that are marked, or at the end stops those that are
// alive, as many as are due in one go.
func (m *Machine) walkBatch() {
	if m.ordered() || m.op == opStarting && m.suspended {
		return
	}
	for n := 0; m.cursor != nil; n++ {
		if n == m.batchSize {
			m.askContinue()
			return
		}
		c := m.cursor
		m.cursor = c.next // a stop that does not wait may remove c
		switch {
		case m.op == opStopping && c.alive() && c.state != child.Stopping:
			m.cancel(c, WhyClosing)
		case m.op == opStarting && c.marked:
			m.launch(c, c.origin == originAuto)
		}
	}
	if m.op == opStarting {
		m.op = opNone
	}
}
