package machine

import "github.com/coppice-go/coppice/child"

// take marks the group of c, whatever the state of its members: those that are
// alive must stop, and all must then start, also what was stopped by hand, as in
// OTP. A Temporary member is not started again: one that runs is forgotten when
// it has stopped, one that does not run is forgotten at once. Overlapping failures
// merge here: a child that is taken already is gone, not failed, when it ends.
func (m *Machine) markGroup(c *Child) {
	from, _ := m.group(c) // and all behind it
	for x := from; x != nil; {
		next := x.next // x may be removed
		if !x.alive() && x.Spec.Restart == child.Temporary && !x.startPending() {
			if x == from {
				from = next
			}
			m.retire(x, child.Stopped, child.ErrSibling)
		} else {
			x.marked = true
			m.disarmRetry(x)
		}
		x = next
	}
	if from == nil { // the group was c alone, and c is forgotten
		return
	}
	if m.op == opNone || m.firstMarked == nil || from.seq < m.firstMarked.seq {
		m.firstMarked = from
	}
	m.op, m.cursor = opStopping, m.last
}

// startsAnyway reports whether a start of c, which does not run, is yet to come
// that is no restart: its first as a declared child, or one that was asked for.
func (c *Child) startPending() bool { return c.bootPending || c.startAwaited() }

// disarmRetry clears the timer of a Waiting child: it starts with its group.
func (m *Machine) disarmRetry(c *Child) {
	if c.state == child.Waiting {
		m.disarm(c)
		c.NextStart = 0
	}
}

// advance moves the lane on as far as it gets: down until a child has to be
// waited for, then up until a child has to be waited for.
func (m *Machine) advance() {
	if !m.ordered() { // a crew walks at events of its own
		if m.phase == Closing && m.live == 0 {
			m.over()
		}
		return
	}
	for {
		was := m.op
		switch was {
		case opStopping:
			m.stopMarked()
		case opStarting:
			m.startMarked()
		}
		if m.op == was {
			return
		}
	}
}

// goDown asks marked children to stop, the last first, and waits for each.
func (m *Machine) stopMarked() {
	closing := m.phase == Closing
	for m.cursor != nil && (closing || m.firstMarked != nil && m.cursor.seq >= m.firstMarked.seq) {
		c := m.cursor
		if c.alive() && (closing || c.marked || c.state == child.Stopping) {
			if c.state != child.Stopping {
				why := WhySibling
				if closing {
					why = WhyClosing
				}
				m.cancel(c, why)
			}
			if c.alive() {
				return
			}
		}
		if m.cursor == c { // else it was removed, and the lane stepped off it
			m.cursor = c.prev
		}
	}
	if closing {
		m.over()
		return
	}
	m.op, m.cursor = opStarting, m.firstMarked
	if c := m.waitsFor; c != nil {
		m.dissolve(c)
		m.awaitRetry(c)
	}
}

// goUp starts marked children, the first first, and waits for each.
func (m *Machine) startMarked() {
	if m.waitsFor != nil || m.suspended {
		return
	}
	for m.cursor != nil {
		c := m.cursor
		if c.state == child.Starting || c.state == child.Stopping {
			return
		}
		if c.marked {
			m.launch(c, c.origin == originAuto)
			return
		}
		m.cursor = c.next
	}
	m.op, m.firstMarked = opNone, nil
	if m.phase == Booting {
		m.bootDone()
	}
}

// reached reports whether a lane on its way up has come to c, and waits for it.
func (m *Machine) reached(c *Child) bool {
	return m.op == opStarting && m.cursor == c && m.ordered()
}

// dissolve ends a group operation whose start has stuck at c: what was to follow
// is left stopped until c is up or somebody starts it, as in OTP. Between
// operations no child is marked. While booting there is no between: the lane
// stays and waits for c.
func (m *Machine) dissolve(c *Child) {
	if m.phase == Booting {
		return
	}
	from := m.firstMarked
	m.op, m.firstMarked, m.cursor = opNone, nil, nil
	m.waitsFor = nil
	for x := from; x != nil; x = x.next {
		if !x.marked {
			continue
		}
		x.marked = false
		switch {
		case x == c:
		case x.startAwaited():
			m.startAsked(x)
		case x.state == child.Waiting:
			m.setState(x, child.Stopped)
			x.leftStopped = true
		}
	}
}

// tellLeft tells of the children that were stopped with c's group and now stay
// stopped, because the restart of c was cancelled.
func (m *Machine) publishLeftStopped(c *Child) {
	from, to := m.group(c)
	for x := from; x != nil; x = x.next {
		if x.leftStopped {
			x.leftStopped = false
			m.publish(Stopped, x, ErrLeftStopped)
		}
		if x == to {
			return
		}
	}
}
