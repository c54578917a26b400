package machine

import "github.com/coppice-go/coppice/child"

// take marks the group of c, whatever the state of its members: those that are
// alive must stop, and all must then start, also what was stopped by hand, as in
// OTP. A Temporary member is not started again: one that runs is forgotten when
// it has stopped, one that does not run is forgotten at once. Overlapping failures
// merge here: a child that is taken already is gone, not failed, when it ends.
func (m *Machine) take(c *Child) {
	from, _ := m.group(c) // and all behind it
	for x := from; x != nil; {
		next := x.next // x may be removed
		if !x.alive() && x.Spec.Restart == child.Temporary && !x.startsAnyway() {
			if x == from {
				from = next
			}
			m.rest(x, child.Stopped, child.ErrSibling)
		} else {
			x.taken = true
			m.disarmRetry(x)
		}
		x = next
	}
	if from == nil { // the group was c alone, and c is forgotten
		return
	}
	if m.lane == idle || m.from == nil || from.seq < m.from.seq {
		m.from = from
	}
	m.lane, m.cur = down, m.last
}

// startsAnyway reports whether a start of c, which does not run, is yet to come
// that is no restart: its first as a declared child, or one that was asked for.
func (c *Child) startsAnyway() bool { return c.boot || c.awaited() }

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
		was := m.lane
		switch was {
		case down:
			m.goDown()
		case up:
			m.goUp()
		}
		if m.lane == was {
			return
		}
	}
}

// goDown asks marked children to stop, the last first, and waits for each.
func (m *Machine) goDown() {
	closing := m.phase == Closing
	for m.cur != nil && (closing || m.from != nil && m.cur.seq >= m.from.seq) {
		c := m.cur
		if c.alive() && (closing || c.taken || c.state == child.Stopping) {
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
		if m.cur == c { // else it was removed, and the lane stepped off it
			m.cur = c.prev
		}
	}
	if closing {
		m.over()
		return
	}
	m.lane, m.cur = up, m.from
	if c := m.leader; c != nil {
		m.dissolve(c)
		m.wait(c)
	}
}

// goUp starts marked children, the first first, and waits for each.
func (m *Machine) goUp() {
	if m.leader != nil || m.suspended {
		return
	}
	for m.cur != nil {
		c := m.cur
		if c.state == child.Starting || c.state == child.Stopping {
			return
		}
		if c.taken {
			m.launch(c, c.origin == originAuto)
			return
		}
		m.cur = c.next
	}
	m.lane, m.from = idle, nil
	if m.phase == Booting {
		m.isUp()
	}
}

// reached reports whether a lane on its way up has come to c, and waits for it.
func (m *Machine) reached(c *Child) bool {
	return m.lane == up && m.cur == c && m.ordered()
}

// dissolve ends a group operation whose start has stuck at c: what was to follow
// is left stopped until c is up or somebody starts it, as in OTP. Between
// operations no child is marked. While booting there is no between: the lane
// stays and waits for c.
func (m *Machine) dissolve(c *Child) {
	if m.phase == Booting {
		return
	}
	from := m.from
	m.lane, m.from, m.cur = idle, nil, nil
	m.leader = nil
	for x := from; x != nil; x = x.next {
		if !x.taken {
			continue
		}
		x.taken = false
		switch {
		case x == c:
		case x.awaited():
			m.start(x)
		case x.state == child.Waiting:
			m.setState(x, child.Stopped)
			x.left = true
		}
	}
}

// tellLeft tells of the children that were stopped with c's group and now stay
// stopped, because the restart of c was cancelled.
func (m *Machine) tellLeft(c *Child) {
	from, to := m.group(c)
	for x := from; x != nil; x = x.next {
		if x.left {
			x.left = false
			m.tell(Stopped, x, ErrLeftStopped)
		}
		if x == to {
			return
		}
	}
}
