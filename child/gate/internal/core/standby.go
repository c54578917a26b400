package core

import "time"

// standBy bids if that is permitted, and otherwise withdraws the bid.
func (m *Machine) standBy() {
	switch {
	case m.stop:
		m.withdraw()
		if m.asking && !m.unasked {
			m.unasked = true
			m.do(CancelAsk)
		}
		if !m.bidding && !m.asking {
			m.over()
		}
	case m.drain:
		m.withdraw()
	case m.now < m.rest:
		m.withdraw()
		if !m.onlyTime && !m.asking && !m.bidding && m.now >= m.askAt {
			m.asking = true
			m.do(Ask)
		}
	case !m.bidding && !m.asking:
		m.bidding, m.phase = true, Bidding
		m.do(Bid)
	}
}

// withdraw cancels the bid under way.
func (m *Machine) withdraw() {
	m.phase = Waiting
	if m.bidding && !m.cancelled {
		m.cancelled = true
		m.do(CancelBid)
	}
}

// restFor begins a rest, or prolongs one.
func (m *Machine) restFor(d time.Duration, onlyTime bool) {
	until := add(m.now, d)
	if until <= m.rest {
		return
	}
	m.rest, m.onlyTime = until, onlyTime
	m.askAt = add(m.now, min(d, m.terms.Renew))
}

// BidFailed says that the bid under way has failed, or ended because it was cancelled.
func (m *Machine) BidFailed(now time.Duration) []Action {
	m.enter(now)
	failed := !m.cancelled
	m.bidding, m.cancelled, m.phase = false, false, Waiting
	if failed {
		m.restFor(m.terms.Renew, true)
	}
	return m.leave()
}

// Answered says whether another holds the lease, or has held it since this member did. If
// the question failed, other is false.
func (m *Machine) Answered(other bool, now time.Duration) []Action {
	m.enter(now)
	m.asking, m.unasked = false, false
	m.askAt = add(m.now, m.terms.Renew)
	if other {
		m.rest = m.now
	}
	return m.leave()
}

// Won says that the bid under way has won a lease with this term, whose request was sent at
// that moment. Without a term the lease does not end by itself. A lease that is not wanted
// any more, or cannot be kept, is released.
func (m *Machine) Won(sent, ttl, now time.Duration) []Action {
	m.enter(now)
	wanted := !m.cancelled
	m.bidding, m.cancelled = false, false
	m.why, m.lost, m.abandoned, m.own, m.yielded, m.unready = Kept, false, false, false, false, false
	m.extend(sent, ttl)
	switch {
	case wanted && !m.terms.Fits(ttl):
		m.restFor(m.terms.Renew, true)
		m.do(Refuse)
		m.close()
	case wanted && !m.endless && m.now >= m.stopBy: // the answer took too long
		m.restFor(m.terms.Renew, true)
		m.close()
	case wanted:
		m.phase, m.led = Leading, m.now
		m.do(Lead)
	default:
		m.close()
	}
	return m.leave()
}
