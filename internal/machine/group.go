package machine

import "github.com/coppice-go/coppice/child"

// markGroup marks the group of c, and makes the group operation stop it. All members are
// marked, whatever their state: those that are alive must stop, and then all must start,
// even those that were stopped by request, as in OTP. A Temporary member is not started
// again: it is removed, at once or when it has stopped. Overlapping failures merge, because
// the end of a child that is marked already is not a failure: see Exited.
func (m *Machine) markGroup(c *Child) {
	from, _ := m.group(c) // every child after it is a member too
	for x := from; x != nil; {
		next := x.next // x may be removed
		if !x.alive() && x.temporary() && !x.startPending() {
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
	if from == nil { // every member was removed
		return
	}
	if m.op == opNone || m.firstMarked == nil || from.seq < m.firstMarked.seq {
		m.firstMarked = from
	}
	m.op, m.cursor = opStopping, m.last
}

// startPending reports whether c, which does not run, has a start to come that is no
// restart: its first start as a declared child, or one that a caller waits for.
func (c *Child) startPending() bool { return c.bootPending || c.startAwaited() }

// disarmRetry clears the timer of a Waiting child, which starts with its group instead.
func (m *Machine) disarmRetry(c *Child) {
	if c.state == child.Waiting {
		m.disarm(c)
		c.forgetNextStart()
	}
}

// advance continues the group operation as far as possible: it stops and then starts
// marked children until it must wait for one.
func (m *Machine) advance() {
	if !m.ordered() { // its operation continues at events of its own
		if m.graph != nil {
			m.settle()
		}
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

// stopMarked asks marked children to stop, from the last to the first, and waits for
// each. While the supervisor ends, it stops every child.
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
		if m.cursor == c { // otherwise remove has moved the cursor
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

// startMarked starts marked children from the first to the last, and waits for each.
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

// reached reports whether the group operation waits for a start of c.
func (m *Machine) reached(c *Child) bool {
	return m.op == opStarting && m.cursor == c && m.ordered()
}

// dissolve ends a group operation that cannot go on because c did not start or waits for
// its backoff. The children that would have followed stay Stopped until c is restarted or
// a caller starts them, as in OTP. No child is marked afterwards. While booting, dissolve
// does nothing: the operation waits for c.
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

// publishLeftStopped publishes the children that were stopped with c's group and now stay
// stopped, because the restart of c was cancelled.
func (m *Machine) publishLeftStopped(c *Child) {
	from, to := m.group(c)
	for x := from; x != nil; x = x.next {
		if x.leftStopped {
			x.leftStopped = false
			m.publish(Stopped, x, ErrLeftStopped).Run = 0
		}
		if x == to {
			return
		}
	}
}
