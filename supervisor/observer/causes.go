package observer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/internal/wellness"
	"github.com/coppice-go/coppice/supervisor"
)

// mostShown is the number of causes that an answer has at most.
const mostShown = 10

// An asker answers what the model cannot know by itself: the supervisor does.
type asker interface {
	Forecast(path string) (supervisor.Forecast, bool)
	LookupSpec(path string) (child.Spec, bool)
	// supervisorSpec returns the spec of the supervisor at a path.
	supervisorSpec(path string) (supervisor.Spec, bool)
}

// mostForecasts bounds how many dynamic children are asked about. Declared ones always are.
const mostForecasts = 1000

// explain turns the groups of a model into causes: with what is remembered of them, with
// sentences, and in order. The one that ends the root soonest comes first, then those
// with the worst members, then those with the most.
func (m *model) explain(mem *memory, ask asker) {
	m.remember(mem)
	ends, at := int32(-1), supervisor.Forecast{}
	budget := mostForecasts
	forecasts := make([]supervisor.Forecast, len(m.groups)) // the soonest of each
	for gi, g := range m.groups {
		for _, i := range g.members {
			it := &m.items[i]
			if m.past || !failing(&it.tree.Status) || it.parent < 0 {
				continue
			}
			if it.dynamic {
				if budget == 0 {
					continue
				}
				budget--
			}
			f, ok := ask.Forecast(it.tree.Path)
			if !ok {
				continue
			}
			if s := &forecasts[gi]; s.GivesUp.IsZero() || !f.GivesUp.IsZero() && f.GivesUp.Before(s.GivesUp) {
				*s = f
			}
			if !f.Ends.IsZero() && (ends < 0 || f.Ends.Before(at.Ends)) {
				ends, at = i, f
			}
		}
	}
	for gi, g := range m.groups {
		if !g.fails && g.text.form == waitsText && m.explained(g) {
			continue
		}
		c := m.cause(g, mem, ask, forecasts[gi])
		if ends >= 0 && m.items[ends].group == int32(gi) {
			it := &m.items[ends]
			m.worst = m.worstOf(it, at)
			c.Deadline = m.deadline(at)
			c.Safe = safeBeforeEnd(m, ends)
		}
		m.causes = append(m.causes, c)
	}
	slices.SortStableFunc(m.causes, func(a, b view.Cause) int {
		return cmp.Or(cmp.Compare(len(b.Deadline), 0)-cmp.Compare(len(a.Deadline), 0), cmp.Compare(b.Trouble, a.Trouble), cmp.Compare(b.N, a.N))
	})
}

// failing reports whether a child fails now, so that a forecast makes sense.
func failing(s *child.Status) bool { return s.Failing || s.Hung }

// explained reports whether each member of a group that waits has a sibling with an error:
// then that error is the cause.
func (m *model) explained(g *group) bool {
	for sup, n := range g.super {
		if sup < 0 || m.supers[sup] == nil || m.supers[sup].badTotal == 0 {
			return n == 0
		}
	}
	return true
}

// cause describes a group.
func (m *model) cause(g *group, mem *memory, ask asker, f supervisor.Forecast) view.Cause {
	worst := &m.items[g.worst]
	c := view.Cause{
		ID: idOf(g.form), Look: string(worst.look), Trouble: int(worst.level), Text: g.text.String(), N: len(g.members),
		Path: m.items[g.members[0]].tree.Path, Trend: make([]int, minutes),
	}
	if c.Text != g.form {
		c.Masked = g.form
	}
	for _, i := range g.members {
		s := &m.items[i].tree.Status
		at := s.LastErrorAt
		switch {
		case s.Unready != nil:
			continue // a status does not say since when: the story does
		case at.IsZero():
			at = s.Since
		}
		if c.First.IsZero() || at.Before(c.First) {
			c.First = at
		}
		if at.After(c.Last) {
			c.Last = at
		}
	}
	c.Seen = uint64(c.N)
	mem.recall(g.form, m, &c)
	members := g.members
	if first := m.find(c.Path); first < 0 || m.items[first].group != m.byForm[g.form] {
		c.Path = m.items[members[0]].tree.Path // where it began is well again, or gone
	}
	c.Also = m.also(g, c.Path)
	c.Examples = m.examples(g, c.Path)
	c.Doing, c.Next, c.Safe = sentences(m, g, ask, f)
	return c
}

// mostExamples is the number of members that a cause names.
const mostExamples = 4

func (m *model) examples(g *group, first string) []string {
	paths := []string{first}
	for _, i := range g.members {
		if len(paths) == mostExamples {
			break
		}
		if p := m.items[i].tree.Path; p != first {
			paths = append(paths, p)
		}
	}
	return paths
}

// also says where the members are, other than the one at path: the supervisors with most
// of them.
func (m *model) also(g *group, path string) string {
	type place struct {
		sup int32
		n   int
	}
	var places []place
	for sup, n := range g.super {
		if sup < 0 {
			continue
		}
		if m.items[sup].tree.Path == above(path) {
			n--
		}
		if n > 0 {
			places = append(places, place{sup, n})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.sup, b.sup)) })
	const most = 3
	var parts []string
	for _, p := range places[:min(len(places), most)] {
		parts = append(parts, fmt.Sprintf("%s (%s of %s)", m.items[p.sup].tree.Path, count(p.n), count(m.supers[p.sup].kids)))
	}
	if more := len(places) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("%s more supervisors", count(more)))
	}
	return cut(strings.Join(parts, ", "), view.MaxText)
}

// recall adds what is remembered of a cause. Of the past it knows only the beginning and
// the trend.
func (m *memory) recall(form string, of *model, c *view.Cause) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.causes.get(form)
	if !ok {
		return
	}
	c.Path, c.Trend = s.path, s.trend(of.at)
	if !of.past {
		c.Seen, c.Last = s.seen, s.last
	}
	if c.First.IsZero() || s.first.Before(c.First) {
		c.First = s.first
	}
}

// remember adds what is remembered of the tree as a whole.
func (m *model) remember(mem *memory) {
	mem.mu.Lock()
	defer mem.mu.Unlock()
	m.ring, m.started = mem.span(), mem.start
	if m.draining = !mem.draining.IsZero() && !m.past; m.draining && m.state != view.Down {
		m.state = view.Stopping
	}
	root := &m.items[0].tree.Status
	if m.started.IsZero() || m.started.After(root.Since) {
		m.started = root.Since
	}
	m.recovered = []view.Recovered{}
	var healed time.Time // the latest recovery, also one that is not shown yet
	for i := len(mem.recovered) - 1; i >= 0; i-- {
		r := mem.recovered[i]
		if r.at.After(healed) && !r.at.After(m.at) {
			healed = r.at
		}
		if m.at.Sub(r.at) > time.Hour || m.at.Sub(r.at) < r.proof() {
			continue
		}
		v := view.Recovered{Path: r.path, Paths: r.paths, Text: r.text.String(), N: int(r.n), Down: r.down, At: r.at, With: strings.Join(r.with, ", ")}
		if more := r.withN - len(r.with); more > 0 {
			v.With += fmt.Sprintf(" and %s more", count(more))
		}
		m.recovered = append(m.recovered, v)
	}
	slices.SortStableFunc(m.recovered, func(a, b view.Recovered) int { return b.At.Compare(a.At) })
	switch m.state {
	case view.Well, view.Starting:
		m.since = m.started
		if healed.After(m.since) {
			m.since = healed
		}
		if root.Since.After(m.since) {
			m.since = root.Since
		}
	case view.Degraded:
		for i := range m.items {
			it := &m.items[i]
			if it.level == wellness.Well || it.dynamic {
				continue
			}
			from := it.tree.Since
			if p, ok := mem.paths.get(it.tree.Path); ok && !p.down.IsZero() && p.down.Before(from) {
				from = p.down
			}
			if p, ok := mem.paths.get(it.tree.Path); ok && !p.unready.IsZero() {
				from = p.unready
			}
			if m.since.IsZero() || from.Before(m.since) {
				m.since = from
			}
		}
	default:
		if m.since = root.Since; m.draining && m.state == view.Stopping {
			m.since = mem.draining
		}
	}
}

// proof is how long a child must have been well to count as recovered: as long as it was
// down, within bounds. Else one that fails again and again would recover each time.
func (r *recovery) proof() time.Duration { return min(max(r.down, time.Second), 10*time.Second) }

// about adds what is remembered of a child to its description.
func (m *memory) about(n *view.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.paths.get(n.Path)
	if !ok {
		return
	}
	if n.Unready != "" {
		n.UnreadySince = p.unready
	}
	switch {
	case n.State == child.Stopped:
		n.By = p.by
	case n.Suspended:
		n.By = p.suspendedBy
	}
}
