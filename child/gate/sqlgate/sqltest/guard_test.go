package sqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
	"github.com/coppice-go/coppice/supervisor"
)

// A process is a member with a gate. What it guards hands out its context.
type process struct {
	*member
	gate *gate.Gate
	held chan context.Context
}

func (d database) process(t *testing.T, id, name string, ttl time.Duration) *process {
	const often = 50 * time.Millisecond // to renew and to ask, although the term may be long
	p := &process{member: d.member(t, id, ttl), held: make(chan context.Context)}
	p.Elector = sqlgate.New(p.db, sqlgate.Spec{TTL: ttl, PollEvery: often, Dialect: d.dialect, Member: id})
	p.gate = gate.New(gate.Spec{Name: name, Elector: p.Elector, Late: gate.Fence, RenewEvery: often, Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		for {
			select {
			case p.held <- ctx:
			case <-ctx.Done():
				return nil
			}
		}
	}})
	root := supervisor.New(supervisor.Spec{
		Name: id, Logger: slog.New(slog.DiscardHandler), Backoff: child.Constant(10 * time.Millisecond),
		Children: []child.Spec{{Name: "gate", Run: p.gate.Run}},
	})
	require.NoError(t, root.Start(t.Context()))
	t.Cleanup(func() { _ = root.Stop(context.Background()) })
	return p
}

// leads returns the context of what is guarded, as a paused process has it: its end is not
// noticed.
func (p *process) leads(t *testing.T) context.Context {
	t.Helper()
	select {
	case ctx := <-p.held:
		return context.WithoutCancel(ctx)
	case <-time.After(time.Minute):
		t.Fatal("the process does not lead")
		return nil
	}
}

// ledger makes a table of effects.
func (d database) ledger(t *testing.T) {
	id := "id INTEGER PRIMARY KEY AUTOINCREMENT"
	switch d.dialect {
	case sqlgate.PostgreSQL:
		id = "id BIGSERIAL PRIMARY KEY"
	case sqlgate.MySQL:
		id = "id BIGINT AUTO_INCREMENT PRIMARY KEY"
	}
	for _, statement := range []string{
		"CREATE TABLE ledger (" + id + ", round INT NOT NULL, token BIGINT NOT NULL)",
		"CREATE TABLE invoice (nr INT PRIMARY KEY, token BIGINT NOT NULL)",
	} {
		_, err := d.admin.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

func (d database) exec(ctx context.Context, tx *sql.Tx, query string, args ...any) error {
	if d.dialect == sqlgate.PostgreSQL {
		for i := range args {
			query = strings.Replace(query, "?", fmt.Sprint("$", i+1), 1)
		}
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

// bill is a guarded transaction, which may be paused at three points. A late one inserts a
// row that nobody else has touched.
func (d database) bill(ctx context.Context, db *sql.DB, round, nr int, pause func(at int)) error {
	token, _ := gate.Token(ctx)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	pause(0)
	if err := sqlgate.Guard(ctx, tx); err != nil {
		return err
	}
	pause(1)
	if err := d.exec(ctx, tx, "INSERT INTO ledger (round, token) VALUES (?, ?)", round, token); err != nil {
		return err
	}
	if err := d.exec(ctx, tx, "INSERT INTO invoice (nr, token) VALUES (?, ?)", nr, token); err != nil {
		return err
	}
	pause(2)
	return tx.Commit()
}

// The leader is paused within a transaction, its term passes, the successor leads and writes,
// and the leader wakes up. No effect is out of the order of the tokens.
func TestNoEffectIsOutOfTheOrderOfTokens(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		const rounds = 200
		d.ledger(t)
		leases := d
		if d.dialect == sqlgate.SQLite { // a write locks the whole file
			leases = newSQLite(t)
		}
		all := []*process{leases.process(t, "a", t.Name(), time.Minute), leases.process(t, "b", t.Name(), time.Minute)}
		stale, late, ready := 0, 0, all
		if !all[0].gate.Open() {
			select {
			case <-all[0].held:
			case <-all[1].held:
				ready = []*process{all[1], all[0]}
			}
		}
		leader, other := ready[0], ready[1]
		for round := range rounds {
			ctx := leader.leads(t)
			at := rand.IntN(3)
			if d.dialect == sqlgate.SQLite && round%10 > 0 {
				at = 0 // otherwise the successor waits until the leader wakes up
			}
			paused, wake, woke := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				woke <- d.bill(ctx, d.admin, round, 2*round, func(point int) {
					if point == at {
						close(paused)
						<-wake
					}
				})
			}()
			select {
			case <-paused:
			case err := <-woke:
				t.Fatal(err)
			}
			require.NoError(t, leader.gate.Yield(t.Context())) // the term of a paused leader passes in the same way
			next := other.leads(t)
			wrote := make(chan error, 1)
			go func() { wrote <- d.bill(next, d.admin, round, 2*round+1, func(int) {}) }()
			if at == 0 {
				require.NoError(t, <-wrote, "nothing is locked yet")
				close(wake)
			} else {
				close(wake) // the successor waits for the transaction of the leader
				require.NoError(t, <-wrote)
			}
			switch err := <-woke; {
			case errors.Is(err, gate.ErrStale):
				stale++
			case err == nil:
				late++
			default:
				t.Fatal(err)
			}
			leader, other = other, leader
		}
		require.Positive(t, stale, "no leader was late")
		require.Positive(t, late, "no leader was paused while it held the fence")
		rows, err := d.admin.QueryContext(t.Context(), "SELECT token FROM ledger ORDER BY id")
		require.NoError(t, err)
		defer rows.Close()
		n, last := 0, int64(0)
		for rows.Next() {
			var token int64
			require.NoError(t, rows.Scan(&token))
			require.GreaterOrEqual(t, token, last, "entry %d", n)
			n, last = n+1, token
		}
		require.NoError(t, rows.Err())
		require.Equal(t, rounds+late, n)
		t.Logf("%d stale, %d in time", stale, late)
	})
}

// A guarded transaction may take longer than a term, and the lease is renewed nevertheless.
func TestALongGuardedTransactionDoesNotBlockARenewal(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		const ttl = 3 * time.Second
		leases := d
		if d.dialect == sqlgate.SQLite {
			leases = newSQLite(t)
		}
		p := leases.process(t, "a", t.Name(), ttl)
		ctx := p.leads(t)
		tx, err := d.admin.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer tx.Rollback()
		require.NoError(t, sqlgate.Guard(ctx, tx))
		require.NoError(t, sqlgate.Guard(ctx, tx), "it may be called again")
		select {
		case <-time.After(3 * ttl):
		case <-p.member.gone(t, p.gate):
			t.Fatal("the lease was lost")
		}
		require.True(t, p.gate.Open())
		require.EqualValues(t, 1, p.gate.State().Wins)
		require.NoError(t, tx.Commit())
	})
}

// gone returns a channel that is closed when the gate is not open any more.
func (m *member) gone(t *testing.T, g *gate.Gate) <-chan struct{} {
	gone := make(chan struct{})
	ctx := t.Context()
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for g.Open() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		close(gone)
	}()
	return gone
}

func TestGuardRefusesAContextWithoutALease(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		tx, err := d.admin.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		require.ErrorIs(t, sqlgate.Guard(t.Context(), tx), gate.ErrNoLease)
		require.ErrorIs(t, tx.Commit(), sql.ErrTxDone, "it was rolled back")
	})
}

// A stale holder cannot commit, even if it ignores the error.
func TestGuardRollsBackAStaleTransaction(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		a, b := d.process(t, "a", t.Name(), time.Minute), d.process(t, "b", t.Name(), time.Minute)
		var old context.Context
		select {
		case ctx := <-a.held:
			old = context.WithoutCancel(ctx)
		case ctx := <-b.held:
			old = context.WithoutCancel(ctx)
			a, b = b, a
		}
		require.NoError(t, a.gate.Yield(t.Context()))
		guard := func(ctx context.Context) (*sql.Tx, error) {
			tx, err := d.admin.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			return tx, sqlgate.Guard(ctx, tx)
		}
		tx, err := guard(b.leads(t))
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		tx, err = guard(old)
		require.ErrorIs(t, err, gate.ErrStale)
		require.ErrorIs(t, tx.Commit(), sql.ErrTxDone)
	})
}
