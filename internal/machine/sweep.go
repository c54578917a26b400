package machine

// Resume, CancelAll and AbandonAll concern every child. There may be a hundred thousand
// children, and the shell must not hold its lock until the last has had its turn. So a
// sweep handles them in batches, as walkBatch does, and other events may come between two
// batches. It works for every strategy, because it waits for no child.

// A sweep is such a request in progress. A stronger one replaces a weaker one.
type sweep struct {
	what sweepKind
	next *Child // the next child
}

type sweepKind uint8

const (
	noSweep      sweepKind = iota
	sweepResume            // start the children that are held
	sweepCancel            // ask the remaining children to stop
	sweepAbandon           // abandon the remaining children
)

// startSweep begins a sweep at the first child, unless a stronger one is in progress.
func (m *Machine) startSweep(what sweepKind) {
	if what < m.sweep.what {
		return // a stronger one is in progress
	}
	m.sweep = sweep{what, m.first}
	m.continueSweep()
}

// continueSweep handles one batch.
func (m *Machine) continueSweep() {
	for n := 0; m.sweep.next != nil; n++ {
		if n == m.batchSize {
			m.askContinue()
			return
		}
		c := m.sweep.next
		m.sweep.next = c.next // c may be removed below
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

// Abandoning reports whether AbandonAll is in progress and has children left.
func (m *Machine) Abandoning() bool { return m.sweep.what == sweepAbandon }
