package sqlgate_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
)

var errDriver = errors.New("no database here")

// nowhere is a database that cannot be reached.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errDriver }
func (nowhere) Driver() driver.Driver                        { return nil }

func open(t *testing.T) *sql.DB {
	db := sql.OpenDB(nowhere{})
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestTheZeroSpecIsPostgreSQLWithATermOf15Seconds(t *testing.T) {
	e := sqlgate.New(open(t), sqlgate.Spec{})
	require.Equal(t, 15*time.Second, e.TTL())
	require.NoError(t, gate.Spec{Name: "x", Elector: e, Run: gate.New(gate.Spec{}).Run}.Validate())
	require.Len(t, e.Schema(), 5)
	for i, table := range []string{sqlgate.DefaultLeases, sqlgate.DefaultFences, sqlgate.DefaultShards + "_groups"} {
		require.True(t, strings.HasPrefix(e.Schema()[i], "CREATE TABLE IF NOT EXISTS "+table+" (name VARCHAR(255) NOT NULL PRIMARY KEY, "), e.Schema()[i])
	}
	require.Contains(t, sqlgate.New(open(t), sqlgate.Spec{Dialect: sqlgate.MySQL}).Schema()[0], "COLLATE utf8mb4_bin")
}

func TestProblemsOfASpecAreTheErrorOfEachCall(t *testing.T) {
	e := sqlgate.New(nil, sqlgate.Spec{Dialect: 9, TTL: 1, PollEvery: -1, Leases: "a;b", Fences: "."})
	_, acquire := e.Acquire(t.Context(), "x")
	_, holder := e.Holder(t.Context(), "x")
	for _, err := range []error{acquire, holder, e.CreateTables(t.Context())} {
		for _, problem := range []string{"the database is nil", "Dialect: unknown: 9", "TTL: less than", "PollEvery: negative", `Leases: a table`, `Fences: a table`} {
			require.ErrorContains(t, err, problem)
		}
	}
	_, err := sqlgate.New(open(t), sqlgate.Spec{Leases: "x", Fences: "x"}).Acquire(t.Context(), "x")
	require.ErrorContains(t, err, "the same table as Leases")
	_, err = sqlgate.New(open(t), sqlgate.Spec{Leases: "x_members", Shards: "x"}).Watch(t.Context(), "x", 0)
	require.ErrorContains(t, err, "the same table as Leases or Fences")
}

func TestADatabaseThatCannotBeReachedIsAnError(t *testing.T) {
	e := sqlgate.New(open(t), sqlgate.Spec{})
	_, err := e.Acquire(t.Context(), "x")
	require.ErrorIs(t, err, errDriver)
	_, err = e.Holder(t.Context(), "x")
	require.ErrorIs(t, err, errDriver)
	require.ErrorIs(t, e.CreateTables(t.Context()), errDriver)
}

func TestDialectsHaveNames(t *testing.T) {
	require.Equal(t, "PostgreSQL", sqlgate.PostgreSQL.String())
	require.Equal(t, "MySQL", sqlgate.MySQL.String())
	require.Equal(t, "SQLite", sqlgate.SQLite.String())
	require.Equal(t, "Dialect(9)", sqlgate.Dialect(9).String())
}
