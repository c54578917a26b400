package machine

// A Waiter is a caller that waits for an answer. The shell owns it, and may embed it in
// a record of its own. The machine uses it until it has answered.
type Waiter struct {
	Owner any // the shell's own record; the machine does not use it

	start     bool    // it waits until the child is ready, otherwise until the child has stopped
	next      *Waiter // the next caller that waits for the same child; of the latest, the first
	takenBack error   // of Replace: why the spec was taken back; nil if it was not
	down      bool    // of Replace: the child was down before, and is again
}

// addWaiter adds a caller after those that already wait for c. The callers form a ring,
// so both the first and the last are found at once. It does nothing if caller is nil.
func (c *Child) addWaiter(caller *Waiter, start bool) {
	if caller == nil {
		return
	}
	caller.start, caller.next = start, caller
	if last := c.lastWaiter; last != nil {
		caller.next, last.next = last.next, caller
	}
	c.lastWaiter = caller
}

// informWaiters passes the faults of the run that has ended to all callers that wait for
// c. It comes before the answers, which some of them get much later.
func (m *Machine) informWaiters(c *Child) {
	for w := range c.eachWaiter {
		a := m.emit(Inform, c)
		a.Waiter, a.Start = w, w.start
	}
}

// answerWaiters answers the callers that wait for a start of c, or those that wait for
// its stop.
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
			a.Waiter, a.Err = w, w.result(err)
		}
		if w == last {
			return
		}
	}
}

// eachWaiter yields the callers that wait for c, in the order in which they came.
func (c *Child) eachWaiter(yield func(*Waiter) bool) {
	for w := c.lastWaiter; w != nil; {
		w = w.next
		if !yield(w) || w == c.lastWaiter {
			return
		}
	}
}

// startAwaited reports whether a caller waits for a start of c.
func (c *Child) startAwaited() bool {
	for w := range c.eachWaiter {
		if w.start {
			return true
		}
	}
	return false
}

// refuse answers a caller with err at once.
func (m *Machine) refuse(caller *Waiter, err error) {
	if caller != nil {
		a := m.emit(Answer, nil)
		a.Waiter, a.Err = caller, err
	}
}
