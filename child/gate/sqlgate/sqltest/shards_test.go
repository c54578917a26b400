package sqltest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
	"github.com/coppice-go/coppice/supervisor"
)

// A shardProcess runs shards that hand out their contexts.
type shardProcess struct {
	*member
	root *supervisor.Supervisor
	held chan context.Context // of shard 1
}

func (d database) shardProcess(t *testing.T, id, name string) *shardProcess {
	p := &shardProcess{member: d.member(t, id, time.Minute), held: make(chan context.Context)}
	shards := gate.NewShards(gate.ShardsSpec{
		Name: name, N: 2, Elector: p.Elector, RenewEvery: 50 * time.Millisecond,
		Run: func(shard int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				for shard == 1 {
					select {
					case p.held <- ctx:
					case <-ctx.Done():
						return nil
					}
				}
				<-ctx.Done()
				return nil
			}
		},
	})
	p.root = supervisor.New(supervisor.Spec{
		Name: id, Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "shards", Run: shards.Run}},
	})
	require.NoError(t, p.root.Start(t.Context()))
	t.Cleanup(func() { _ = p.root.Stop(context.Background()) })
	return p
}

// guards runs a guarded transaction, as a process that was paused does: it does not notice
// that ctx has ended.
func (p *shardProcess) guards(t *testing.T, ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := p.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	if err := sqlgate.Guard(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (p *shardProcess) runs(t *testing.T) context.Context {
	t.Helper()
	select {
	case ctx := <-p.held:
		return ctx
	case <-time.After(time.Minute):
		t.Fatal("the process does not run the shard")
		return nil
	}
}

func TestGuardRefusesWhoHadAShardBefore(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		a := d.shardProcess(t, "a", "/shop/feeds")
		first := a.runs(t)
		require.NoError(t, a.guards(t, first))
		require.NoError(t, a.guards(t, first), "again")
		b := d.shardProcess(t, "b", "/shop/feeds")
		require.NoError(t, a.root.Stop(context.Background()))
		second := b.runs(t)
		require.NoError(t, b.guards(t, second))
		require.ErrorIs(t, a.guards(t, first), gate.ErrStale)
		require.NoError(t, b.guards(t, second))
		var fences int
		require.NoError(t, d.admin.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM coppice_fences WHERE name = '/shop/feeds/1'").Scan(&fences))
		require.Equal(t, 1, fences, "each shard has a fence of its own")
	})
}

// A renewal is under way when another member finds that the term has passed. Either the
// renewal is first, and the member stays, or its row is gone.
func TestARenewalThatIsUnderWayKeepsTheShards(t *testing.T) {
	waiting := map[sqlgate.Dialect]string{
		sqlgate.PostgreSQL: "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
		sqlgate.MySQL:      "SELECT COUNT(*) FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id WHERE x.trx_state = 'LOCK WAIT' AND p.DB = DATABASE()",
	}
	forEach(t, func(t *testing.T, d database) {
		if waiting[d.dialect] == "" {
			t.Skip("one transaction writes at a time")
		}
		layout := gate.Layout{Shards: 2}
		a, err := d.member(t, "a", time.Minute).Join(t.Context(), "x", layout)
		require.NoError(t, err)
		b, err := d.member(t, "b", time.Minute).Join(t.Context(), "x", layout)
		require.NoError(t, err)
		claimed, err := a.Claim(t.Context(), []int{0})
		require.NoError(t, err)
		require.Len(t, claimed, 1)

		_, err = d.admin.ExecContext(t.Context(), "UPDATE coppice_shards_members SET expires = 1 WHERE member = 'a'")
		require.NoError(t, err)
		renewal, err := d.admin.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer renewal.Rollback()
		_, err = renewal.ExecContext(t.Context(), "UPDATE coppice_shards_members SET expires = 9000000000000000 WHERE member = 'a'")
		require.NoError(t, err)
		type answer struct {
			got map[int]gate.Lease
			err error
		}
		answers := make(chan answer, 1)
		go func() {
			got, err := b.Claim(context.WithoutCancel(t.Context()), []int{0})
			answers <- answer{got, err}
		}()
		require.Eventually(t, func() bool { // MariaDB shows what was so a tenth of a second before, if it is asked more often
			var n int
			return d.admin.QueryRowContext(t.Context(), waiting[d.dialect]).Scan(&n) == nil && n > 0
		}, 10*time.Second, 200*time.Millisecond, "the claim must wait for the renewal")
		require.NoError(t, renewal.Commit())
		got := <-answers
		require.NoError(t, got.err)
		require.Empty(t, got.got, "the shard is still that of a")
		require.NoError(t, a.Renew(t.Context()))
	})
}

// A member stands still in the middle of a claim. The others renew.
func TestAClaimThatStandsStillKeepsNobodyFromRenewing(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		if d.dialect == sqlgate.SQLite {
			t.Skip("one transaction writes at a time")
		}
		layout := gate.Layout{Shards: 2}
		a, err := d.member(t, "a", time.Minute).Join(t.Context(), "x", layout)
		require.NoError(t, err)
		_, err = a.Claim(t.Context(), []int{0})
		require.NoError(t, err)
		slow := d.member(t, "b", time.Minute)
		b, err := slow.Join(t.Context(), "x", layout)
		require.NoError(t, err)
		slow.line.Slow(300 * time.Millisecond)
		claimed := make(chan error, 1)
		go func() {
			_, err := b.Claim(context.WithoutCancel(t.Context()), []int{1})
			claimed <- err
		}()
		for renewals, began := 0, time.Now(); ; renewals++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			before := time.Now()
			require.NoError(t, a.Renew(ctx))
			require.Less(t, time.Since(before), 900*time.Millisecond, "the claim of b holds it up")
			cancel()
			select {
			case err := <-claimed:
				require.NoError(t, err)
				require.Greater(t, time.Since(began), time.Second)
				require.Positive(t, renewals)
				return
			default:
			}
		}
	})
}

func TestAWatchAsksOncePerPeriod(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		a := d.member(t, "a", time.Minute)
		m, err := a.Join(t.Context(), "x", gate.Layout{Shards: 1000})
		require.NoError(t, err)
		l := &line{connector: d.connector}
		db := l.open()
		defer db.Close()
		e := sqlgate.New(db, sqlgate.Spec{Dialect: d.dialect, TTL: time.Minute, PollEvery: 200 * time.Millisecond})
		v, err := e.Watch(t.Context(), "x", 0)
		require.NoError(t, err)
		before := l.queries.Load()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err = e.Watch(ctx, "x", v.Revision)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, l.queries.Load()-before, int64(13)) // ten periods, each up to a tenth shorter
		require.Positive(t, l.queries.Load()-before)
		require.NoError(t, m.Release(t.Context()))
	})
}

// What somebody has deleted by hand. Tokens grow nevertheless.
func TestRowsOfAGroupThatWereDeleted(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		layout := gate.Layout{Shards: 2}
		m := d.member(t, "a", time.Minute)
		a, err := m.Join(t.Context(), "x", layout)
		require.NoError(t, err)
		first, err := a.Claim(t.Context(), []int{0, 1})
		require.NoError(t, err)
		require.Len(t, first, 2)
		remove := func(table string) {
			_, err := d.admin.ExecContext(t.Context(), "DELETE FROM "+table)
			require.NoError(t, err)
		}

		remove("coppice_shards")
		second, err := a.Claim(t.Context(), []int{0})
		require.NoError(t, err)
		require.Greater(t, second[0].Token(), first[0].Token())

		remove("coppice_shards_members")
		require.ErrorIs(t, a.Renew(t.Context()), gate.ErrLost)
		_, err = a.Claim(t.Context(), []int{1})
		require.ErrorIs(t, err, gate.ErrLost)
		require.ErrorIs(t, a.Leave(t.Context()), gate.ErrLost)

		a, err = m.Join(t.Context(), "x", layout)
		require.NoError(t, err)
		third, err := a.Claim(t.Context(), []int{0})
		require.NoError(t, err)
		require.Greater(t, third[0].Token(), second[0].Token())

		remove("coppice_shards_groups")
		b, err := m.Join(t.Context(), "x", gate.Layout{Shards: 3})
		require.NoError(t, err)
		require.ErrorIs(t, a.Renew(t.Context()), gate.ErrLost, "it was one of a group that is gone")
		fourth, err := b.Claim(t.Context(), []int{0, 1, 2})
		require.NoError(t, err)
		require.Len(t, fourth, 3)
		require.Greater(t, fourth[0].Token(), third[0].Token())
	})
}

func TestGroupsAreEqualOnlyIfTheBytesOfTheirNamesAre(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		m := d.member(t, "a", time.Minute)
		for i, name := range []string{"x", "X", "ä", "a", "A", "x'; DROP TABLE coppice_shards; --", strings.Repeat("n", 249), "日本"} {
			s, err := m.Join(t.Context(), name, gate.Layout{Shards: i + 1})
			require.NoError(t, err, name)
			got, err := s.Claim(t.Context(), []int{0})
			require.NoError(t, err)
			require.Len(t, got, 1, name)
		}
	})
}

func TestMissingTablesOfShardsAreAnErrorThatNamesThem(t *testing.T) {
	forEach(t, func(t *testing.T, d database) {
		e := sqlgate.New(d.admin, sqlgate.Spec{Dialect: d.dialect, Shards: "nowhere"})
		_, err := e.Join(t.Context(), "x", gate.Layout{Shards: 1})
		require.ErrorContains(t, err, "nowhere_")
		_, err = e.Watch(t.Context(), "x", 0)
		require.ErrorContains(t, err, "nowhere_")
		require.NoError(t, e.CreateTables(t.Context()))
		_, err = e.Join(t.Context(), "x", gate.Layout{Shards: 1})
		require.NoError(t, err)
	})
}
