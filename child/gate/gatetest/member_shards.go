package gatetest

import (
	"context"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/internal/share"
)

var _ gate.Sharder = (*Member)(nil)

// group returns a group, without members whose term has passed. e.mu must be held.
func (e *Engine) group(name string) *share.Group {
	g := e.groups[name]
	if g == nil {
		g = share.NewGroup(1)
		e.groups[name] = g
	}
	g.Bury(e.now())
	return g
}

// inGroup sends a request about a group to the engine, and waits for the reply.
func (m *Member) inGroup(ctx context.Context, name string, change bool, carryOut func(e *Engine, g *share.Group)) (changed <-chan struct{}, err error) {
	if m.fault != joinsForever {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.ttl/4)
		defer cancel()
	}
	err = m.call(ctx, change, func(e *Engine) {
		before := int64(0)
		if g := e.groups[name]; g != nil {
			before = g.Revision()
		}
		g := e.group(name)
		carryOut(e, g)
		if g.Revision() != before {
			e.wake("group " + name)
		}
		changed = e.next("group " + name)
	})
	return changed, err
}

// Join waits until the members of the group have the same layout.
func (m *Member) Join(ctx context.Context, group string, layout gate.Layout) (gate.Membership, error) {
	for {
		s := &membership{member: m, group: group, id: fmt.Sprintf("%s, join %d", m.id, m.engine.calls.Add(1))}
		sent := gate.Now()
		joined, ttl := false, m.ttl
		var other gate.Layout
		changed, err := m.inGroup(ctx, group, true, func(e *Engine, g *share.Group) {
			ttl = m.granted(e)
			l := share.Layout(layout)
			if m.fault == mixesLayouts && g.Layout() != (share.Layout{}) {
				l = g.Layout()
			}
			if m.fault == forgetsJoins && g.Revision() < 4 {
				for _, other := range g.View().Members {
					g.Remove(other.ID)
				}
			}
			joined = g.Join(share.Member{ID: s.id, Name: m.id}, l, e.now().Add(ttl))
			s.token, other = g.Revision(), gate.Layout(g.Layout())
		})
		switch {
		case err != nil:
			return nil, s.undo(ctx, err)
		case joined:
			if m.fault == countsJoin {
				sent = gate.Now()
			}
			s.term = gate.Term{Sent: sent, TTL: ttl}
			return s, nil
		}
		gate.SeenLayout(ctx, other)
		if err := m.await(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// await waits for a change. It looks again ten times per term, because a term may have
// passed.
func (m *Member) await(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(m.ttl / 10)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// Watch waits until the revision of the group is higher.
func (m *Member) Watch(ctx context.Context, group string, after int64) (gate.GroupView, error) {
	for {
		var v share.View
		changed, err := m.inGroup(ctx, group, false, func(_ *Engine, g *share.Group) { v = g.View() })
		switch {
		case err != nil:
			return gate.GroupView{}, err
		case v.Revision > after:
			return publicView(v), nil
		}
		if err := m.await(ctx, changed); err != nil {
			return gate.GroupView{}, err
		}
	}
}

func publicView(v share.View) gate.GroupView {
	g := gate.GroupView{Revision: v.Revision, Layout: gate.Layout(v.Layout)}
	for _, m := range v.Members {
		g.Members = append(g.Members, gate.GroupMember(m))
	}
	for _, c := range v.Claims {
		g.Claims = append(g.Claims, gate.ShardClaim(c))
	}
	return g
}

// A membership is that of a member in a group.
type membership struct {
	member *Member
	group  string
	id     string
	token  int64
	term   gate.Term
}

func (s *membership) ID() string            { return s.id }
func (s *membership) Token() int64          { return s.token }
func (s *membership) Term() gate.Term       { return s.term }
func (s *membership) Lost() <-chan struct{} { return nil }

// undo releases what may have been joined. It does not wait for long.
func (s *membership) undo(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.member.ttl/10)
	defer cancel()
	if s.member.fault == leavesJoin {
		_, _ = s.member.inGroup(ctx, s.group, true, func(_ *Engine, g *share.Group) { g.Renew(s.id, time.Time{}) })
		return err
	}
	if left := s.Release(ctx); left != nil {
		return fmt.Errorf("%w; %w", err, left)
	}
	return err
}

var errEnded = fmt.Errorf("%w: the membership has ended", gate.ErrLost)

// Renew begins another term.
func (s *membership) Renew(ctx context.Context) error {
	m, sent := s.member, gate.Now()
	found, ttl := false, m.ttl
	_, err := m.inGroup(ctx, s.group, true, func(e *Engine, g *share.Group) {
		ttl = m.granted(e)
		found = g.Renew(s.id, e.now().Add(ttl))
		if !found && m.fault == revivesMembers {
			found = g.Join(share.Member{ID: s.id, Name: m.id}, g.Layout(), e.now().Add(ttl))
		}
	})
	switch {
	case err != nil && m.fault != hidesErrors:
		return err
	case !found && m.fault != hidesLoss && m.fault != hidesErrors:
		return errEnded
	}
	if m.fault == countsFromAnswer {
		sent = gate.Now()
	}
	s.term = gate.Term{Sent: sent, TTL: ttl}
	return nil
}

// Release leaves the group, and frees all shards.
func (s *membership) Release(ctx context.Context) error {
	_, err := s.member.inGroup(ctx, s.group, true, func(_ *Engine, g *share.Group) {
		if s.member.fault != keepsReleased {
			g.Remove(s.id)
		}
	})
	return err
}

// Leave says that the member takes no more shards.
func (s *membership) Leave(ctx context.Context) error {
	found := false
	_, err := s.member.inGroup(ctx, s.group, true, func(_ *Engine, g *share.Group) { found = s.member.fault == hidesLeaving || g.Leave(s.id) })
	if err == nil && !found {
		return errEnded
	}
	return err
}

// Claim claims those shards that nobody has.
func (s *membership) Claim(ctx context.Context, shards []int) (map[int]gate.Lease, error) {
	m, there := s.member, false
	var got []share.Claim
	_, err := m.inGroup(ctx, s.group, true, func(_ *Engine, g *share.Group) {
		if m.fault == claimsAfterEnd {
			g.Join(share.Member{ID: s.id, Name: m.id}, g.Layout(), time.Time{})
		}
		if m.fault == takesShards {
			g.Cede(g.View().Claims)
		}
		got, there = g.Claim(s.id, shards)
	})
	switch {
	case err != nil:
		return nil, err
	case !there:
		return nil, errEnded
	}
	leases := make(map[int]gate.Lease, len(got))
	for _, c := range got {
		if m.fault == repeatsShardToken {
			c.Token = s.token
		}
		leases[c.Shard] = &shardLease{s, c.Token}
	}
	return leases, nil
}

// Cede frees shards.
func (s *membership) Cede(ctx context.Context, claims []gate.ShardClaim) error {
	_, err := s.member.inGroup(ctx, s.group, true, func(_ *Engine, g *share.Group) {
		var all []share.Claim
		for _, c := range claims {
			all = append(all, share.Claim(c))
			if s.member.fault == cedesOthers {
				for _, now := range g.View().Claims {
					if now.Shard == c.Shard {
						all = append(all, now)
					}
				}
			}
		}
		if s.member.fault != keepsCeded {
			g.Cede(all)
		}
	})
	return err
}

// A shardLease is the lease of a shard.
type shardLease struct {
	*membership
	token int64
}

func (l *shardLease) Token() int64 { return l.token }
