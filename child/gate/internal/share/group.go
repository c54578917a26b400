package share

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// A Layout is how many shards a group has, and the version of what each of them means.
type Layout struct{ Shards, Version int }

// A Member is a member of a group, as the engine knows it.
type Member struct {
	ID      string // of one membership
	Name    string // of the process
	Leaving bool   // it takes no more shards
}

// A Claim says that a member has a shard.
type Claim struct {
	Shard  int
	Member string // its ID
	Token  int64
}

// A View is what the engine knows of a group.
type View struct {
	Revision int64
	Layout   Layout
	Members  []Member // in the order of their IDs
	Claims   []Claim  // in the order of their shards
}

// A Group is the state of one group in an engine that keeps it in memory. It has no lock
// and no clock. Each change raises its revision.
type Group struct {
	layout   Layout
	revision int64
	members  map[string]*seat
	claims   map[int]Claim
}

// A seat is a member in the group.
type seat struct {
	Member
	ends time.Time // zero: it does not end by itself
}

// NewGroup returns a group without members. Its revisions are higher than that one.
func NewGroup(revision int64) *Group {
	return &Group{revision: revision, members: make(map[string]*seat), claims: make(map[int]Claim)}
}

// Revision returns the present revision.
func (g *Group) Revision() int64 { return g.revision }

// Layout returns the layout of the last member that has joined.
func (g *Group) Layout() Layout { return g.layout }

// Join adds a member, unless there are others with another layout.
func (g *Group) Join(m Member, l Layout, ends time.Time) bool {
	if len(g.members) > 0 && l != g.layout {
		return false
	}
	g.layout = l
	g.members[m.ID] = &seat{m, ends}
	g.revision++
	return true
}

// Bury removes members whose term has passed, and their claims.
func (g *Group) Bury(now time.Time) {
	for id, s := range g.members {
		if !s.ends.IsZero() && !now.Before(s.ends) {
			g.Remove(id)
		}
	}
}

// NextEnd returns when the next member ends by itself; zero: none does.
func (g *Group) NextEnd() (next time.Time) {
	for _, s := range g.members {
		if !s.ends.IsZero() && (next.IsZero() || s.ends.Before(next)) {
			next = s.ends
		}
	}
	return next
}

// Renew begins another term of a member. It reports false if the member is not there.
func (g *Group) Renew(id string, ends time.Time) bool {
	s := g.members[id]
	if s != nil {
		s.ends = ends
	}
	return s != nil
}

// Leave says that a member takes no more shards. It reports false if it is not there.
func (g *Group) Leave(id string) bool {
	s := g.members[id]
	if s != nil && !s.Leaving {
		s.Leaving = true
		g.revision++
	}
	return s != nil
}

// Remove removes a member and its claims.
func (g *Group) Remove(id string) {
	if g.members[id] == nil {
		return
	}
	delete(g.members, id)
	maps.DeleteFunc(g.claims, func(_ int, c Claim) bool { return c.Member == id })
	g.revision++
}

// Claim gives those shards to a member that nobody has. It reports false if the member is
// not there.
func (g *Group) Claim(id string, shards []int) (got []Claim, there bool) {
	if g.members[id] == nil {
		return nil, false
	}
	for _, s := range shards {
		if _, taken := g.claims[s]; taken || s < 0 || s >= g.layout.Shards {
			continue
		}
		if got == nil {
			g.revision++
		}
		c := Claim{s, id, g.revision}
		g.claims[s] = c
		got = append(got, c)
	}
	return got, true
}

// Cede frees shards, as far as the claims are still those.
func (g *Group) Cede(claims []Claim) {
	changed := false
	for _, c := range claims {
		if g.claims[c.Shard] == c {
			delete(g.claims, c.Shard)
			changed = true
		}
	}
	if changed {
		g.revision++
	}
}

// View returns the present view.
func (g *Group) View() View {
	v := View{Revision: g.revision, Layout: g.layout}
	for _, s := range g.members {
		v.Members = append(v.Members, s.Member)
	}
	for _, c := range g.claims {
		v.Claims = append(v.Claims, c)
	}
	SortMembers(v.Members)
	slices.SortFunc(v.Claims, func(a, b Claim) int { return a.Shard - b.Shard })
	return v
}

// SortMembers puts members in the order of their IDs, as a View has them.
func SortMembers(all []Member) {
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.ID, b.ID) })
}
