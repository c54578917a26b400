package sqltest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/child/gate/sqlgate"
)

// A database is a fresh one for one test.
type database struct {
	dialect   sqlgate.Dialect
	connector driver.Connector
	admin     *sql.DB
}

// kinds are the databases that are tested.
var kinds = []struct {
	name string
	make func(t *testing.T) database
}{
	{"SQLite", newSQLite},
	{"PostgreSQL", newPostgreSQL},
	{"MariaDB", newMariaDB},
}

// forEach runs a test with each kind of database, side by side with all other tests.
func forEach(t *testing.T, f func(t *testing.T, d database)) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			f(t, k.make(t))
		})
	}
}

// connectorOf is a driver.Connector for a driver that has none.
type connectorOf struct {
	driver driver.Driver
	dsn    string
}

func (c connectorOf) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connectorOf) Driver() driver.Driver                        { return c.driver }

func newDatabase(t *testing.T, d sqlgate.Dialect, c driver.Connector) database {
	admin := sql.OpenDB(c)
	t.Cleanup(func() { _ = admin.Close() })
	require.NoError(t, sqlgate.New(admin, sqlgate.Spec{Dialect: d}).CreateTables(t.Context()))
	require.NoError(t, sqlgate.New(admin, sqlgate.Spec{Dialect: d}).CreateTables(t.Context()), "they may be there already")
	return database{d, c, admin}
}

func newSQLite(t *testing.T) database {
	file := filepath.Join(t.TempDir(), "leases")
	return newDatabase(t, sqlgate.SQLite, connectorOf{&sqlite.Driver{}, "file:" + file + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)"})
}

var made atomic.Int64

// needsServer skips a test that needs a server, unless these tests were asked for.
func needsServer(t *testing.T, what string) {
	if os.Getenv("MACHINES") == "" {
		t.Skipf("set MACHINES=1 to test with %s, or run make machines", what)
	}
}

func newPostgreSQL(t *testing.T) database {
	needsServer(t, "PostgreSQL")
	port := postgres.start(t)
	name := fmt.Sprint("gate", made.Add(1))
	config := func(db string) driver.Connector {
		c, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s sslmode=disable", port, db))
		require.NoError(t, err)
		return stdlib.GetConnector(*c)
	}
	create(t, config("postgres"), name)
	return newDatabase(t, sqlgate.PostgreSQL, config(name))
}

func newMariaDB(t *testing.T) database {
	needsServer(t, "MariaDB")
	port := mariadb.start(t)
	name := fmt.Sprint("gate", made.Add(1))
	config := func(db string) driver.Connector {
		c := mysql.NewConfig()
		c.User, c.Net, c.Addr, c.DBName, c.InterpolateParams = "root", "tcp", fmt.Sprint("127.0.0.1:", port), db, true
		connector, err := mysql.NewConnector(c)
		require.NoError(t, err)
		return connector
	}
	create(t, config(""), name)
	return newDatabase(t, sqlgate.MySQL, config(name))
}

func create(t *testing.T, c driver.Connector, name string) {
	db := sql.OpenDB(c)
	defer db.Close()
	_, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
}

// A member is an elector with a line of its own.
type member struct {
	*sqlgate.Elector
	line *line
	db   *sql.DB
}

func (d database) member(t *testing.T, id string, ttl time.Duration) *member {
	l := &line{connector: d.connector}
	db := l.open()
	db.SetMaxOpenConns(4)
	t.Cleanup(func() { l.Cut(false); _ = db.Close() })
	require.NoError(t, db.PingContext(context.WithoutCancel(t.Context()))) // the time of the first connection is no part of a check
	return &member{sqlgate.New(db, sqlgate.Spec{TTL: ttl, PollEvery: ttl / 50, Dialect: d.dialect, Member: id}), l, db}
}

// subject makes the database a subject of the conformance suite.
func (d database) subject(t *testing.T, ttl time.Duration) gatetest.Subject {
	var all []*member
	of := func(e gate.Elector) *line { return e.(*member).line }
	return gatetest.Subject{
		TTL: ttl,
		Member: func(id string) gate.Elector {
			m := d.member(t, id, ttl)
			all = append(all, m)
			return m
		},
		HandOver:  ttl / 2, // a poll period is a fiftieth; the rest is for a busy machine
		HandOvers: 1000,
		Storm:     10,
		Cut:       func(e gate.Elector, cut bool) { of(e).Cut(cut) },
		LoseReply: func(e gate.Elector) { of(e).LoseReplies(1) },
		Slow:      func(e gate.Elector, latency time.Duration) { of(e).Slow(latency) },
		Away: func(away bool) {
			for _, m := range all {
				m.line.Cut(away)
			}
		},
		Delete: func(name string) {
			where := "DELETE FROM coppice_leases WHERE name = ?"
			if d.dialect == sqlgate.PostgreSQL {
				where = "DELETE FROM coppice_leases WHERE name = $1"
			}
			_, err := d.admin.ExecContext(context.WithoutCancel(t.Context()), where, name)
			require.NoError(t, err)
		},
	}
}
