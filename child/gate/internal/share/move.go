package share

import (
	"math"
	"time"
)

// review stops shards that must stop.
func (m *Machine) review() {
	switch {
	case m.drain:
		for i := range m.shards {
			if m.shards[i].phase == running {
				m.stop(i, Moves)
			}
		}
	case m.seen && !m.closing && m.me != Nobody && len(m.ids) > 1 && !m.stale:
		m.move()
	}
}

// move moves shards: those that keep failing here, and those that others should have.
func (m *Machine) move() {
	next := func(i int, interval time.Duration) bool {
		if m.now < m.pace.next(interval) {
			return false
		}
		m.pace.take(m.now, interval)
		m.moved++
		m.stop(i, Moves)
		return true
	}
	for i := range m.shards {
		s := &m.shards[i]
		if s.phase != running || s.fails < failsToMove {
			continue
		}
		if !next(i, m.terms.interval(len(m.ids))) {
			break
		}
		m.restFrom(i)
	}
	if m.now < m.settled() {
		return
	}
	plan := m.planned()
	for i := range m.shards {
		if m.shards[i].phase != running || plan[i] == m.me {
			continue
		}
		if !next(i, m.terms.interval(m.givers)) {
			return
		}
		m.plan = plan // it still holds: the shard goes to the same member
	}
}

// settled returns when the members have been the same for long enough. The highest HoldDown
// is never over.
func (m *Machine) settled() time.Duration {
	return m.changed + min(m.terms.HoldDown, math.MaxInt64-m.changed)
}

// restFrom lets the member not claim a shard for a while, so that another one does.
func (m *Machine) restFrom(i int) {
	s := &m.shards[i]
	if m.now-s.rest > forgetsFails {
		s.rests = 0
	}
	s.rests++
	s.rest = m.now + m.terms.failRest(s.rests)
}

// planned returns the plan. A shard that this member is about to cede counts as nobody's.
func (m *Machine) planned() []int32 {
	if m.plan != nil {
		return m.plan
	}
	place := make(map[string]int32, len(m.ids))
	for i, id := range m.ids {
		place[id] = int32(i)
	}
	owner := make([]int32, len(m.owner))
	for i, id := range m.owner {
		owner[i] = Nobody
		if at, ok := place[id]; ok && (id != m.id || m.shards[i].phase == running) {
			owner[i] = at
		}
	}
	m.plan = Plan(m.seeds, owner)
	m.givers = givers(len(m.seeds), owner, m.plan)
	return m.plan
}

// givers returns how many members have shards that others should have, at least one.
func givers(members int, owner, plan []int32) (n int) {
	gives := make([]bool, members)
	for s, o := range owner {
		if o != Nobody && plan[s] != o && !gives[o] {
			gives[o] = true
			n++
		}
	}
	return max(n, 1)
}
