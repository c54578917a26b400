package machine

// A Waiter is a caller who waits for an answer. It is the shell's, which may have
// it stand in a record of its own; the machine uses it until it has answered.
type Waiter struct {
	Who any // whatever the shell knows it by

	start bool    // it waits until the child is ready, else until it is gone
	next  *Waiter // who waits for the same child and came next; of the last, the first
}

// await notes a caller, behind those who wait already. They stand in a ring, so that
// the last is found as fast as the first.
func (c *Child) addWaiter(who *Waiter, start bool) {
	if who == nil {
		return
	}
	who.start, who.next = start, who
	if last := c.lastWaiter; last != nil {
		who.next, last.next = last.next, who
	}
	c.lastWaiter = who
}

// inform has all who wait for c hear of what was wrong with the end of its run. It comes
// before the answer, which for some is still far off.
func (m *Machine) informWaiters(c *Child) {
	for w := range c.eachWaiter {
		a := m.emit(Inform, c)
		a.Waiter, a.Start = w, w.start
	}
}

// answer gives their answer to those who wait for a start of c, or for its stop.
func (m *Machine) answerWaiters(c *Child, start bool, err error) {
	last := c.lastWaiter
	if last == nil {
		return
	}
	c.lastWaiter = nil
	for next := last.next; ; {
		w := next
		next = w.next
		if w.start != start {
			c.addWaiter(w, w.start)
		} else {
			w.next = nil
			a := m.emit(Answer, c)
			a.Waiter, a.Err = w, err
		}
		if w == last {
			return
		}
	}
}

// waiting yields those who wait, in the order in which they came.
func (c *Child) eachWaiter(yield func(*Waiter) bool) {
	for w := c.lastWaiter; w != nil; {
		w = w.next
		if !yield(w) || w == c.lastWaiter {
			return
		}
	}
}

// awaited reports whether somebody waits for a start of c.
func (c *Child) startAwaited() bool {
	for w := range c.eachWaiter {
		if w.start {
			return true
		}
	}
	return false
}

func (m *Machine) refuse(who *Waiter, err error) {
	if who != nil {
		a := m.emit(Answer, nil)
		a.Waiter, a.Err = who, err
	}
}
