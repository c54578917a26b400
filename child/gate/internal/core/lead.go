package core

import "time"

// extend begins a term that was asked for at a moment.
func (m *Machine) extend(sent, ttl time.Duration) {
	m.endless = ttl == 0
	m.end = add(sent, Usable(ttl))
	m.stopBy = m.end - m.terms.Margin()
	m.renewAt = add(sent, m.terms.Renew)
}

// renews reports whether the lease is worth a renewal.
func (m *Machine) renews() bool { return !m.lost && !m.abandoned }

// keep renews the lease, and stops what is guarded while there is time for that. The lease
// is renewed during the stop, too.
func (m *Machine) keep() {
	if m.phase == Leading && !m.endless && m.now >= m.stopBy {
		m.stopLeading(InDanger)
	}
	if m.phase == Leading && m.unready && m.terms.Yield > 0 && m.now >= add(m.unreadyAt, m.terms.Yield) {
		m.yielded = true
		m.stopLeading(Unready)
	}
	if !m.renewing && m.renews() && m.now >= m.renewAt {
		m.renewing = true
		m.do(Renew)
	}
}

// stopLeading stops what is guarded, unless it is being stopped.
func (m *Machine) stopLeading(why Cause) {
	if m.phase == Leading {
		m.phase, m.why = Stopping, why
		m.do(Stop)
	}
}

// Renewed says that the renewal under way has succeeded. Its request was sent at that
// moment.
func (m *Machine) Renewed(sent, ttl, now time.Duration) []Action {
	m.enter(now)
	m.renewing = false
	if !m.lost {
		m.extend(sent, ttl)
		if m.why == InDanger {
			m.why = Kept // it is not in danger any more, and can be released
		}
	}
	return m.renewalEnded()
}

// RenewFailed says that it is not known what became of the renewal under way.
func (m *Machine) RenewFailed(now time.Duration) []Action {
	m.enter(now)
	m.renewing = false
	m.renewAt = add(m.now, m.terms.Request/4)
	return m.renewalEnded()
}

func (m *Machine) renewalEnded() []Action {
	if m.phase == Closing {
		m.close()
	}
	return m.leave()
}

// Lost says that the lease is not ours any more. If a renewal said so, it is over.
func (m *Machine) Lost(renewal bool, now time.Duration) []Action {
	m.enter(now)
	if renewal {
		m.renewing = false
	}
	switch m.phase {
	case Leading, Stopping, Closing:
		m.lost = true
		m.stopLeading(LostLease)
	}
	if renewal {
		return m.renewalEnded()
	}
	return m.leave()
}

// Suspected says that more time may have passed than the steady clock has counted. The
// lease is in danger unless a renewal is answered soon.
func (m *Machine) Suspected(now time.Duration) []Action {
	m.enter(now)
	if (m.phase == Leading || m.phase == Stopping) && !m.endless {
		m.stopBy = min(m.stopBy, add(m.now, m.terms.Request))
		m.end = min(m.end, add(m.stopBy, m.terms.Margin()))
		m.renewAt = m.now
	}
	return m.leave()
}

// Ready says whether what is guarded is ready.
func (m *Machine) Ready(ready bool, now time.Duration) []Action {
	m.enter(now)
	if m.phase == Leading && m.unready == ready {
		m.unready, m.unreadyAt = !ready, m.now
	}
	return m.leave()
}

// Ended says that what is guarded has ended, and whether all of it has.
func (m *Machine) Ended(abandoned bool, now time.Duration) []Action {
	m.enter(now)
	m.abandoned = abandoned
	if m.phase == Leading {
		m.own = true
		if m.now-m.led >= max(m.terms.rest(), mostFailRest) {
			m.fails = 0
		}
		m.fails++
	}
	m.phase = Closing
	if m.renewing {
		m.do(CancelRenew)
		return m.leave()
	}
	m.close()
	return m.leave()
}

// close releases the lease when nothing runs under it any more, if it is still ours. What
// is lost is not given back, and nor is a lease under which something has not stopped.
func (m *Machine) close() {
	if m.lost || m.abandoned || m.why == InDanger || !m.endless && m.now >= m.end {
		m.settle()
		return
	}
	m.phase = Releasing
	m.do(Release)
}

// Released says that the release has ended, well or not.
func (m *Machine) Released(now time.Duration) []Action {
	m.enter(now)
	m.settle()
	return m.leave()
}

// settle ends a lease.
func (m *Machine) settle() {
	m.phase = Waiting
	if m.abandoned { // then another leads first
		m.restFor(add(m.left(), m.terms.rest()), m.own)
	}
	switch {
	case m.own:
		m.restFor(m.terms.failRest(m.fails), true)
		m.over()
		return
	case m.yielded:
		m.restFor(m.terms.rest(), false)
	}
	if m.stop {
		m.over()
	}
}

// left returns how long the lease lasts, if it is not released.
func (m *Machine) left() time.Duration {
	if m.endless {
		return 0
	}
	return max(0, m.end-m.now)
}

// over ends the run.
func (m *Machine) over() {
	m.phase = Over
	m.do(End)
}
