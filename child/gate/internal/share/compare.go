package share

import "slices"

// note takes over what was seen.
func (m *Machine) note(v View) {
	before, first := m.ids, !m.seen
	m.seen, m.revision, m.plan = true, v.Revision, nil
	m.ids, m.seeds, m.me, m.members = nil, nil, Nobody, len(v.Members)
	for _, x := range v.Members {
		if x.Leaving || x.ID == m.id && m.closing {
			continue
		}
		if x.ID == m.id {
			m.me = int32(len(m.ids))
		}
		m.ids, m.seeds = append(m.ids, x.ID), append(m.seeds, Seed(x.Name))
	}
	if !slices.Equal(before, m.ids) {
		m.changed = m.now
	}
	was := m.owner
	m.owner, m.tokens = make([]string, len(was)), make([]int64, len(was))
	for _, c := range v.Claims {
		if c.Shard >= 0 && c.Shard < len(m.owner) {
			m.owner[c.Shard], m.tokens[c.Shard] = c.Member, c.Token
		}
	}
	for i := range m.shards {
		if m.owner[i] == "" && (was[i] != "" || first) {
			m.shards[i].freeSince = m.now
		}
		m.compare(i)
	}
}

// compare compares what the engine says of a shard with what the member does. A claim of
// which it does not know is one whose answer was lost.
func (m *Machine) compare(i int) {
	s := &m.shards[i]
	ours := m.owner[i] == m.id
	switch {
	case ours && s.phase == none:
		s.phase, s.token = stopped, m.tokens[i]
	case ours && s.phase == stopped:
		s.token = m.tokens[i]
	case ours && s.token == m.tokens[i]:
	case s.phase == running:
		m.stop(i, Lost)
	case s.phase == stopped: // there is nothing to cede any more
		s.phase = none
	}
}
