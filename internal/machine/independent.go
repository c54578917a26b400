package machine

import (
	"time"

	"github.com/coppice-go/coppice/child"
)

// The children of an Independent supervisor start and stop concurrently, and there may be
// a hundred thousand of them. The shell must not hold its lock until the last has been
// asked. So the group operation handles them in batches, beginning with the first, and other
// events may come between two batches.

// BatchSize is the number of children that are started or stopped in one batch.
const BatchSize = 256

// Continue handles the next batch of Independent children, of a Graph and of a sweep. The action
// Continue asks for it. It has no effect if nothing is in progress.
func (m *Machine) Continue(now time.Duration) {
	m.beginEvent(now)
	if m.graph != nil {
		m.graph.asked = false
	}
	m.walkBatch()
	m.continueSweep()
	m.endEvent()
}

// askContinue emits Continue, once per event.
func (m *Machine) askContinue() {
	if !m.continueAsked {
		m.continueAsked = true
		m.emit(Continue, nil)
	}
}

// walkBatch starts the marked children of an Independent supervisor, or, while the
// supervisor ends, stops those that are alive. It visits at most one batch of children.
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
		case c.node != 0: // see settle
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
