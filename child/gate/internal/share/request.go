package share

import "time"

// request begins the next request, if none is under way.
func (m *Machine) request() {
	if m.line != 0 && m.line != Look || m.cut || m.now < m.pause {
		return
	}
	a := m.wanted()
	switch {
	case a.Kind == 0 && m.line == Look:
		return
	case a.Kind == 0:
		a.Kind, a.After = Look, m.revision
		if m.stale {
			a.After = 0
		}
	case m.line == Look:
		m.cut = true
		m.do(Action{Kind: CancelLook})
		return
	}
	m.line = a.Kind
	for _, i := range a.Shards {
		m.shards[i].phase = claiming
	}
	for _, c := range a.Claims {
		m.shards[c.Shard].phase = ceding
	}
	m.do(a)
}

// wanted returns the request that is due; its Kind is zero if none is.
func (m *Machine) wanted() (a Action) {
	most := max(leastPerRequest, len(m.shards)/requestsForAll)
	for i := range m.shards {
		if s := &m.shards[i]; s.phase == stopped && len(a.Claims) < most {
			a.Kind = ToCede
			a.Claims = append(a.Claims, Claim{i, m.id, s.token})
		}
	}
	if a.Kind == 0 && m.closing && !m.left {
		a.Kind = ToLeave
	}
	if a.Kind != 0 || m.stale || m.closing || m.me == Nobody || m.now < max(m.joined+m.terms.Settle, m.claimFrom) {
		return a
	}
	plan := m.planned()
	for i := range m.shards {
		if at, ok := m.claimAt(i, plan); ok && at <= m.now && len(a.Shards) < most {
			a.Kind = ToClaim
			a.Shards = append(a.Shards, i)
		}
	}
	return a
}

// claimAt returns when the member may claim a shard, if that is free.
func (m *Machine) claimAt(i int, plan []int32) (at time.Duration, ok bool) {
	s := &m.shards[i]
	if m.owner[i] != "" || s.phase != none {
		return 0, false
	}
	at = max(m.joined+m.terms.Settle, m.claimFrom, s.rest)
	if plan[i] != m.me {
		at = max(at, s.freeSince+m.terms.Patience)
	}
	return at, true
}

// Next returns when Tick is needed at the latest, if no other event comes before.
func (m *Machine) Next() (at time.Duration, ok bool) {
	due := func(t time.Duration) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if m.line == 0 {
		due(m.pause)
	}
	if !m.seen || m.closing || m.stale || m.me == Nobody || m.cut || m.line != 0 && m.line != Look {
		return at, ok
	}
	plan := m.planned()
	for i := range m.shards {
		if t, free := m.claimAt(i, plan); free {
			due(max(t, m.pause))
			continue
		}
		s := &m.shards[i]
		switch {
		case len(m.ids) < 2 || s.phase != running:
		case s.fails >= failsToMove:
			due(m.pace.next(m.terms.interval(len(m.ids))))
		case plan[i] != m.me:
			due(max(m.pace.next(m.terms.interval(m.givers)), m.settled()))
		}
	}
	return at, ok
}
