package sqlgate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coppice-go/coppice/child/gate"
)

// A membership is the row of a member in a group.
type membership struct {
	elector *Elector
	group   string
	id      string
	token   int64
	term    gate.Term
}

// ID returns the key of the row.
func (m *membership) ID() string { return m.id }

// Token returns the revision in which the member has joined.
func (m *membership) Token() int64 { return m.token }

// Term returns the last term.
func (m *membership) Term() gate.Term { return m.term }

// Lost returns nil: a renewal says so.
func (m *membership) Lost() <-chan struct{} { return nil }

// join joins, if the layout of the group fits. The end of ctx does not cut it off, because
// then nobody would know whether it will still be carried out.
func (m *membership) join(ctx context.Context, layout gate.Layout) (joined bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	e, sent := m.elector, gate.Now()
	err = e.changeGroup(context.WithoutCancel(ctx), m.group, func(ctx context.Context, g *group) error {
		if g.layout != layout {
			others, err := g.count(ctx, e.shards.countMembers, m.group)
			if err != nil || others > 0 {
				return err
			}
			if _, err := g.exec(ctx, e.shards.setLayout, layout.Shards, layout.Version, m.group); err != nil {
				return err
			}
		}
		joined, g.changed, m.token = true, true, g.revision
		_, err := g.exec(ctx, e.shards.join, m.group, m.id, e.spec.Member, e.ttl())
		return err
	})
	m.term = gate.Term{Sent: sent, TTL: e.spec.TTL}
	return joined, err
}

// undo removes the row, if it was made. It does not wait for long.
func (m *membership) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.elector.spec.TTL/10)
	defer cancel()
	return m.Release(ctx)
}

// Renew begins another term, unless the last one has passed.
func (m *membership) Renew(ctx context.Context) error {
	e, sent := m.elector, gate.Now()
	renewed, err := e.change(ctx, e.shards.renew, e.ttl(), m.group, m.id)
	switch {
	case err != nil:
		return err
	case !renewed:
		return m.ended()
	}
	m.term = gate.Term{Sent: sent, TTL: e.spec.TTL}
	return nil
}

func (m *membership) ended() error {
	return fmt.Errorf("%w: its term has passed, or its row was deleted", gate.ErrLost)
}

// Release removes the member and its claims.
func (m *membership) Release(ctx context.Context) error {
	e := m.elector
	return e.changeGroup(ctx, m.group, func(ctx context.Context, g *group) error {
		removed, err := g.exec(ctx, e.shards.leave, m.group, m.id)
		if err != nil || removed == 0 {
			return err
		}
		g.changed = true
		_, err = g.exec(ctx, e.shards.freeAll, m.group, m.id)
		return err
	})
}

// Leave marks the row.
func (m *membership) Leave(ctx context.Context) error {
	return m.inGroup(ctx, func(ctx context.Context, g *group) error {
		n, err := g.exec(ctx, m.elector.shards.mark, m.group, m.id)
		g.changed = g.changed || n > 0
		return err
	})
}

// inGroup changes the group, unless the membership has ended.
func (m *membership) inGroup(ctx context.Context, do func(ctx context.Context, g *group) error) error {
	return m.elector.changeGroup(ctx, m.group, func(ctx context.Context, g *group) error {
		there, err := g.count(ctx, m.elector.shards.isMember, m.group, m.id)
		switch {
		case err != nil:
			return err
		case there == 0:
			return m.ended()
		}
		return do(ctx, g)
	})
}

// mostPerStatement is how many shards a statement names at most.
const mostPerStatement = 100

// Claim inserts the rows of those shards that have none.
func (m *membership) Claim(ctx context.Context, shards []int) (map[int]gate.Lease, error) {
	leases := make(map[int]gate.Lease)
	err := m.inGroup(ctx, func(ctx context.Context, g *group) error {
		legal := slices.DeleteFunc(slices.Clone(shards), func(i int) bool { return i < 0 || i >= g.layout.Shards })
		for some := range slices.Chunk(legal, mostPerStatement) {
			var args []any
			for _, i := range some {
				args = append(args, m.group, i, m.id, g.revision)
			}
			n, err := g.exec(ctx, m.elector.shards.claim(len(some)), args...)
			if err != nil {
				return err
			}
			g.changed = g.changed || n > 0
		}
		return m.claimed(ctx, g, leases)
	})
	if err != nil {
		return nil, err
	}
	return leases, nil
}

// claimed adds the leases of the shards that were claimed by this transaction.
func (m *membership) claimed(ctx context.Context, g *group, leases map[int]gate.Lease) error {
	rows, err := g.tx.QueryContext(ctx, m.elector.shards.claimed, m.group, m.id, g.revision)
	if err != nil {
		return fmt.Errorf("sqlgate: %w", err)
	}
	return each(rows, func() error {
		var i int
		err := rows.Scan(&i)
		leases[i] = &shardLease{m, fmt.Sprintf("%s/%d", m.group, i), g.revision}
		return err
	})
}

// Cede deletes the rows of shards that still have those tokens.
func (m *membership) Cede(ctx context.Context, claims []gate.ShardClaim) error {
	return m.elector.changeGroup(ctx, m.group, func(ctx context.Context, g *group) error {
		for some := range slices.Chunk(claims, mostPerStatement) {
			args := []any{m.group, m.id}
			for _, c := range some {
				args = append(args, c.Shard, c.Token)
			}
			n, err := g.exec(ctx, m.elector.shards.cede(len(some)), args...)
			if err != nil {
				return err
			}
			g.changed = g.changed || n > 0
		}
		return nil
	})
}

// A shardLease is the lease of a shard.
type shardLease struct {
	*membership
	name  string
	token int64
}

// Token returns the fencing token of the shard.
func (l *shardLease) Token() int64 { return l.token }

// repeated returns a text n times, with a separator.
func repeated(text, separator string, n int) string {
	return strings.TrimSuffix(strings.Repeat(text+separator, n), separator)
}
