package gate

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child/gate/internal/share"
)

// An aloneGroup is a group of an Alone. Its members do not end by themselves.
type aloneGroup struct {
	mu      sync.Mutex
	group   *share.Group
	changed chan struct{} // closed by the next change
	joins   int
}

var _ Sharder = (*alone)(nil)

func (a *alone) group(name string) *aloneGroup {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.groups[name]
	if g == nil {
		g = &aloneGroup{group: share.NewGroup(1), changed: make(chan struct{})}
		a.groups[name] = g
	}
	return g
}

// change changes the group, and wakes the calls of Watch that wait for a change.
func (g *aloneGroup) change(f func(*share.Group)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.group.Revision()
	f(g.group)
	if g.group.Revision() != before {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

func (a *alone) Join(ctx context.Context, name string, layout Layout) (Membership, error) {
	g := a.group(name)
	for {
		m := &aloneMember{of: g, group: name, term: Term{Sent: Now()}}
		var other Layout
		var changed chan struct{}
		joined := false
		g.change(func(of *share.Group) {
			id := strconv.Itoa(g.joins + 1)
			joined = ctx.Err() == nil && of.Join(share.Member{ID: id, Name: aloneID}, share.Layout(layout), time.Time{})
			if joined {
				g.joins++
			}
			m.id, m.token = id, of.Revision()
			other, changed = Layout(of.Layout()), g.changed
		})
		if joined {
			return m, nil
		}
		SeenLayout(ctx, other)
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (a *alone) Watch(ctx context.Context, name string, after int64) (GroupView, error) {
	g := a.group(name)
	for {
		g.mu.Lock()
		v, changed := g.group.View(), g.changed
		g.mu.Unlock()
		if v.Revision > after {
			return publicView(v), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return GroupView{}, context.Cause(ctx)
		}
	}
}

type aloneMember struct {
	of    *aloneGroup
	group string
	id    string
	term  Term
	token int64
}

func (m *aloneMember) ID() string                  { return m.id }
func (m *aloneMember) Token() int64                { return m.token }
func (m *aloneMember) Term() Term                  { return m.term }
func (m *aloneMember) Renew(context.Context) error { m.term.Sent = Now(); return nil }
func (m *aloneMember) Lost() <-chan struct{}       { return nil }

func (m *aloneMember) Release(context.Context) error {
	m.of.change(func(g *share.Group) { g.Remove(m.id) })
	return nil
}

func (m *aloneMember) Leave(context.Context) error {
	m.of.change(func(g *share.Group) { g.Leave(m.id) })
	return nil
}

func (m *aloneMember) Claim(_ context.Context, shards []int) (map[int]Lease, error) {
	var got []share.Claim
	there := false
	m.of.change(func(g *share.Group) { got, there = g.Claim(m.id, shards) })
	if !there {
		return nil, ErrLost
	}
	leases := make(map[int]Lease, len(got))
	for _, c := range got {
		leases[c.Shard] = &aloneShard{m, c.Token}
	}
	return leases, nil
}

func (m *aloneMember) Cede(_ context.Context, claims []ShardClaim) error {
	m.of.change(func(g *share.Group) { g.Cede(coreClaims(claims)) })
	return nil
}

// An aloneShard is the lease of a shard.
type aloneShard struct {
	*aloneMember
	token int64
}

func (s *aloneShard) Token() int64 { return s.token }

func publicView(v share.View) GroupView {
	g := GroupView{Revision: v.Revision, Layout: Layout(v.Layout)}
	for _, m := range v.Members {
		g.Members = append(g.Members, GroupMember(m))
	}
	g.Claims = publicClaims(v.Claims)
	return g
}

func publicClaims(claims []share.Claim) (all []ShardClaim) {
	for _, c := range claims {
		all = append(all, ShardClaim(c))
	}
	return all
}

// coreView returns the view for package share, with its members in the order of their IDs.
func coreView(g GroupView) share.View {
	v := share.View{Revision: g.Revision, Layout: share.Layout(g.Layout), Claims: coreClaims(g.Claims)}
	for _, m := range g.Members {
		v.Members = append(v.Members, share.Member(m))
	}
	share.SortMembers(v.Members)
	return v
}

func coreClaims(claims []ShardClaim) (all []share.Claim) {
	for _, c := range claims {
		all = append(all, share.Claim(c))
	}
	return all
}
