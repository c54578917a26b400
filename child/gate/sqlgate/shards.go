package sqlgate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

var _ gate.Sharder = (*Elector)(nil)

// A group is the row of a group, in a transaction that holds it.
type group struct {
	tx       *sql.Tx
	name     string
	layout   gate.Layout
	revision int64
	changed  bool // otherwise the transaction is rolled back
}

// changeGroup changes a group in one transaction. That begins by raising the revision, and so
// waits for other changes of the group. Then it removes members whose term has passed: a
// renewal either comes before that and keeps its member, or finds no row.
func (e *Elector) changeGroup(ctx context.Context, name string, do func(ctx context.Context, g *group) error) error {
	if e.fault != nil {
		return e.fault
	}
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	for {
		found, err := e.tryGroup(ctx, name, do)
		if found || err != nil {
			return err
		}
		// In a statement of its own, because in MySQL two transactions that look for a row and
		// then insert it wait for each other.
		if _, err := e.change(ctx, e.shards.create, name); err != nil {
			return err
		}
		time.Sleep(freshRow)
	}
}

// tryGroup is changeGroup for a group whose row exists. Otherwise it reports false.
func (e *Elector) tryGroup(ctx context.Context, name string, do func(ctx context.Context, g *group) error) (found bool, err error) {
	tx, err := e.db.BeginTx(ctx, e.spec.Dialect.isolation())
	if err != nil {
		return false, fmt.Errorf("sqlgate: %w", err)
	}
	g := &group{tx: tx, name: name}
	found, err = e.hold(ctx, g)
	if found && err == nil {
		err = do(ctx, g)
	}
	if err != nil && !errors.Is(err, gate.ErrLost) || !g.changed {
		return found, errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if failed := tx.Commit(); failed != nil {
		return found, fmt.Errorf("sqlgate: %w", failed)
	}
	return found, err
}

// ignoreDone drops the error that says that the context has ended the transaction.
func ignoreDone(err error) error {
	if err == nil || errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return fmt.Errorf("sqlgate: %w", err)
}

// hold holds the row of a group until the end of the transaction. It reports false if there
// is none. As long as nobody has joined, the row has no layout: what there is of members and
// claims then was left when somebody deleted the row before.
func (e *Elector) hold(ctx context.Context, g *group) (found bool, err error) {
	st := &e.shards
	held, err := g.exec(ctx, st.raise, g.name)
	if err != nil || held == 0 {
		return false, err
	}
	row := g.tx.QueryRowContext(ctx, st.layout, g.name)
	if err := row.Scan(&g.layout.Shards, &g.layout.Version, &g.revision); err != nil {
		return true, fmt.Errorf("sqlgate: %w", err)
	}
	if g.layout == (gate.Layout{}) {
		_, err = g.exec(ctx, st.removeAll, g.name)
	} else {
		err = g.deleteEach(ctx, st.bury, st.ended, g.name)
	}
	if err == nil { // also those of rows that somebody has deleted
		err = g.deleteEach(ctx, st.freeAll, st.orphans, g.name, g.name)
	}
	return true, err
}

// deleteEach deletes what a query finds, by a statement for each ID. A statement that deletes
// what it finds would lock the rows of other members in MySQL, and so hold up their renewals.
func (g *group) deleteEach(ctx context.Context, statement, query string, args ...any) error {
	var ids []string
	rows, err := g.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("sqlgate: %w", err)
	}
	err = each(rows, func() error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err != nil {
			break
		}
		var n int64
		n, err = g.exec(ctx, statement, g.name, id)
		g.changed = g.changed || n > 0
	}
	return err
}

// each calls f for each row.
func each(rows *sql.Rows, f func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return fmt.Errorf("sqlgate: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sqlgate: %w", err)
	}
	return nil
}

// exec carries out a statement, and returns how many rows it has changed.
func (g *group) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := g.tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, fmt.Errorf("sqlgate: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, fmt.Errorf("sqlgate: %w", err)
	}
	return n, nil
}

// count carries out a query for a number.
func (g *group) count(ctx context.Context, query string, args ...any) (n int64, err error) {
	if err := g.tx.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("sqlgate: %w", err)
	}
	return n, nil
}

// A glance is what one query says about a group.
type glance struct {
	layout   gate.Layout
	revision int64 // 1: there is no group
	members  int64
	ended    int64 // members whose term has passed, and that are still there
}

func (e *Elector) glance(ctx context.Context, name string) (g glance, err error) {
	if e.fault != nil {
		return g, e.fault
	}
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	err = e.db.QueryRowContext(ctx, e.shards.glance, name).Scan(&g.layout.Shards, &g.layout.Version, &g.revision, &g.members, &g.ended)
	if errors.Is(err, sql.ErrNoRows) {
		return glance{revision: 1}, nil
	}
	if err != nil {
		return g, fmt.Errorf("sqlgate: %w", err)
	}
	return g, nil
}

// Join makes a new member of a group of shards. It asks once per PollEvery, until no member
// with another layout is left.
func (e *Elector) Join(ctx context.Context, name string, layout gate.Layout) (gate.Membership, error) {
	m := &membership{elector: e, group: name, id: rand.Text()}
	for {
		g, err := e.glance(ctx, name)
		if err != nil {
			return nil, err
		}
		if g.layout == layout || g.members == g.ended {
			joined, err := m.join(ctx, layout)
			if err != nil {
				return nil, errors.Join(err, m.undo(ctx))
			}
			if joined {
				return m, nil
			}
		} else {
			gate.SeenLayout(ctx, g.layout)
		}
		if sleep(ctx, spread(e.spec.PollEvery)) {
			return nil, context.Cause(ctx)
		}
	}
}

// Watch asks once per PollEvery, by one query, and reads the group when its revision is
// higher.
func (e *Elector) Watch(ctx context.Context, name string, after int64) (gate.GroupView, error) {
	for {
		g, err := e.glance(ctx, name)
		if err == nil && g.ended > 0 {
			err = e.changeGroup(ctx, name, func(context.Context, *group) error { return nil })
			if err == nil {
				g, err = e.glance(ctx, name)
			}
		}
		if err != nil {
			return gate.GroupView{}, err
		}
		if g.revision > after {
			return e.read(ctx, name, g)
		}
		if sleep(ctx, spread(e.spec.PollEvery)) {
			return gate.GroupView{}, context.Cause(ctx)
		}
	}
}

// read reads the members and claims of a group. They may be newer than its revision, which
// was read before.
func (e *Elector) read(ctx context.Context, name string, g glance) (v gate.GroupView, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	v.Revision, v.Layout = g.revision, g.layout
	claims, err := e.db.QueryContext(ctx, e.shards.claims, name)
	if err != nil {
		return v, fmt.Errorf("sqlgate: %w", err)
	}
	err = each(claims, func() error {
		var c gate.ShardClaim
		err := claims.Scan(&c.Shard, &c.Member, &c.Token)
		v.Claims = append(v.Claims, c)
		return err
	})
	if err != nil {
		return v, err
	}
	members, err := e.db.QueryContext(ctx, e.shards.members, name)
	if err != nil {
		return v, fmt.Errorf("sqlgate: %w", err)
	}
	return v, each(members, func() error {
		var m gate.GroupMember
		var leaving int
		err := members.Scan(&m.ID, &m.Name, &leaving)
		m.Leaving = leaving != 0
		v.Members = append(v.Members, m)
		return err
	})
}
