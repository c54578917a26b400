package machine

// Some requests concern every child: to resume those that are held, to hurry, to
// abandon all that are left. There may be a hundred thousand children, and the lock
// must not be held until the last has had its turn. So a sweep goes over them in
// stretches, as the walk over a crew does, and between two stretches other events may
// come. It works for every strategy: nothing in it waits for a child.

// A sweep is such a request on its way. A stronger one replaces a weaker one.
type sweep struct {
	what sweepKind
	next *Child // whose turn it is
}

type sweepKind uint8

const (
	noSweep      sweepKind = iota
	sweepResume            // start what was held
	sweepCancel            // ask all that are left to stop
	sweepAbandon           // abandon all that are left
)

// sweepOver begins a sweep at the first child.
func (m *Machine) startSweep(what sweepKind) {
	if what < m.sweep.what {
		return // more was asked for already
	}
	m.sweep = sweep{what, m.first}
	m.continueSweep()
}

// sweepOn does one stretch.
func (m *Machine) continueSweep() {
	for n := 0; m.sweep.next != nil; n++ {
		if n == m.batchSize {
			m.askContinue()
			return
		}
		c := m.sweep.next
		m.sweep.next = c.next // what is done to c may remove it
		switch m.sweep.what {
		case sweepResume:
			m.resumeHeld(c)
		case sweepCancel:
			m.cancelNow(c)
		case sweepAbandon:
			m.abandonNow(c)
		}
	}
	m.sweep = sweep{}
}

// Halting reports whether runs are still to be abandoned by a sweep.
func (m *Machine) Abandoning() bool { return m.sweep.what == sweepAbandon }
