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
func (m *Machine) Continue(now time.Duration) []Action {
	m.begin(now)
	m.walk()
	m.sweepOn()
	return m.finish()
}

// goOn asks to come back with More, once for an event.
func (m *Machine) goOn() {
	if !m.goesOn {
		m.goesOn = true
		m.emit(Continue, nil)
	}
}

// walk starts those of a crew that are marked, or at the end stops those that are
// alive, as many as are due in one go.
func (m *Machine) walk() {
	if m.ordered() || m.lane == up && m.suspended {
		return
	}
	for n := 0; m.cur != nil; n++ {
		if n == m.stretch {
			m.goOn()
			return
		}
		c := m.cur
		m.cur = c.next // a stop that does not wait may remove c
		switch {
		case m.lane == down && c.alive() && c.state != child.Stopping:
			m.cancel(c, WhyClosing)
		case m.lane == up && c.taken:
			m.launch(c, c.origin == originAuto)
		}
	}
	if m.lane == up {
		m.lane = idle
	}
}
