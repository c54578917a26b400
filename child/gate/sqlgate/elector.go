package sqlgate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child/gate"
)

// A Spec says how leases are kept. The zero value is one for PostgreSQL.
type Spec struct {
	// TTL is the term of a lease. Zero means 15 s.
	TTL time.Duration

	// Dialect is the kind of the database.
	Dialect Dialect

	// PollEvery is how often a member that stands by asks, and so the longest time of a
	// hand-over. Zero means a fifteenth of the TTL.
	PollEvery time.Duration

	// Member is what Holder says of this process. Empty means the name of the host and the
	// number of the process. It is cut to 200 bytes.
	Member string

	// Leases and Fences are the names of the two tables. Empty means DefaultLeases and
	// DefaultFences. A name may have a schema in front: "ops.leases".
	Leases, Fences string

	// Shards is the name of the table of shards, and with _members and _groups behind it
	// that of two more. Only a gate.Shards needs them. Empty means DefaultShards.
	Shards string
}

const (
	defaultTTL = 15 * time.Second
	mostMember = 200
)

// An Elector gives leases by a table of a database. It is a gate.Elector. It may be shared
// by all gates of a process.
type Elector struct {
	db         *sql.DB
	spec       Spec
	statements statements
	fence      fence
	shards     shardStatements
	fault      error
}

var _ gate.Elector = (*Elector)(nil)

// New returns an Elector. It cannot fail: Acquire returns the problems of the spec.
func New(db *sql.DB, spec Spec) *Elector {
	if spec.TTL == 0 {
		spec.TTL = defaultTTL
	}
	if spec.PollEvery == 0 {
		spec.PollEvery = max(spec.TTL/15, time.Millisecond)
	}
	if spec.Leases == "" {
		spec.Leases = DefaultLeases
	}
	if spec.Fences == "" {
		spec.Fences = DefaultFences
	}
	if spec.Shards == "" {
		spec.Shards = DefaultShards
	}
	if spec.Member == "" {
		host, _ := os.Hostname()
		spec.Member = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	spec.Member = strings.ToValidUTF8(spec.Member[:min(len(spec.Member), mostMember)], "")
	return &Elector{
		db: db, spec: spec, fault: problems(db, spec),
		statements: newStatements(spec.Dialect, spec.Leases, spec.Fences), fence: newFence(spec.Dialect, spec.Fences),
		shards: newShardStatements(spec.Dialect, spec.Shards),
	}
}

func problems(db *sql.DB, spec Spec) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("sqlgate: "+format, args...)) }
	if db == nil {
		fault("the database is nil")
	}
	if spec.Dialect > SQLite {
		fault("Spec.Dialect: unknown: %d", uint8(spec.Dialect))
	}
	if spec.TTL < time.Millisecond {
		fault("Spec.TTL: less than a millisecond: %v", spec.TTL)
	}
	if spec.PollEvery < 0 {
		fault("Spec.PollEvery: negative: %v", spec.PollEvery)
	}
	for field, table := range map[string]string{"Leases": spec.Leases, "Fences": spec.Fences, "Shards": spec.Shards} {
		if strings.Trim(table, tableCharacters) != "" || strings.Trim(table, ".") == "" {
			fault("Spec.%s: a table has a name of letters, digits, _ and .: %q", field, table)
		}
	}
	if spec.Leases == spec.Fences {
		fault("Spec.Fences: the same table as Leases: %q", spec.Fences)
	}
	for _, table := range []string{"", "_groups", "_members"} {
		if t := spec.Shards + table; t == spec.Leases || t == spec.Fences {
			fault("Spec.Shards: the same table as Leases or Fences: %q", t)
		}
	}
	return errors.Join(faults...)
}

const tableCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

// TTL returns the term of a lease.
func (e *Elector) TTL() time.Duration { return e.spec.TTL }

// Schema returns the statements that create the tables, for your migrations: that of the
// leases, that of the fences, and the three of gate.Shards.
func (e *Elector) Schema() []string { return slices.Concat(e.statements.schema, e.shards.schema) }

// CreateTables creates the tables, unless they are there.
func (e *Elector) CreateTables(ctx context.Context) error {
	if e.fault != nil {
		return e.fault
	}
	for _, statement := range e.Schema() {
		if _, err := e.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("sqlgate: create tables: %w", err)
		}
	}
	return nil
}

// A row is what the table says about a lease.
type row struct {
	found          bool
	holder, member string
	token          int64
	since          int64 // in microseconds, like all times of the database
	expires, now   int64
}

// free reports whether nobody holds the lease.
func (r *row) free() bool { return r.expires <= r.now }

func (r *row) asHolder() gate.Holder {
	if !r.found || r.free() {
		return gate.Holder{Token: r.token}
	}
	return gate.Holder{ID: r.member, Token: r.token, Since: time.UnixMicro(r.since)}
}

// look reads the row of a lease.
func (e *Elector) look(ctx context.Context, name string) (r row, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	err = e.db.QueryRowContext(ctx, e.statements.look, name).Scan(&r.holder, &r.member, &r.token, &r.since, &r.expires, &r.now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return row{}, nil
	case err != nil:
		return row{}, fmt.Errorf("sqlgate: %w", err)
	}
	r.found = true
	return r, nil
}

// patience is the longest time that a statement waits for its answer, unless its context
// ends before.
func (e *Elector) patience() time.Duration { return e.spec.TTL / 4 }

// change carries out a statement that changes a row, and reports whether it did.
func (e *Elector) change(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := e.db.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, fmt.Errorf("sqlgate: %w", err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("sqlgate: %w", err)
	}
	return n > 0, nil
}

// Holder returns who holds the lease, by one query.
func (e *Elector) Holder(ctx context.Context, name string) (gate.Holder, error) {
	if e.fault != nil {
		return gate.Holder{}, e.fault
	}
	r, err := e.look(ctx, name)
	return r.asHolder(), err
}

// Acquire asks once per PollEvery, or when the lease of another ends, until it has taken
// the lease. When ctx ends, or a query fails, it releases what it may have taken.
func (e *Elector) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	if e.fault != nil {
		return nil, e.fault
	}
	l := &lease{elector: e, name: name, holder: e.spec.Member + " " + rand.Text()}
	err := l.acquire(ctx)
	if err == nil {
		return l, nil
	}
	if l.tried {
		err = errors.Join(err, l.undo(ctx))
	}
	return nil, err
}

// sleep waits, and reports whether ctx has ended meanwhile.
func sleep(ctx context.Context, d time.Duration) (ended bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

// spread returns a time that differs a little each time, so that a hundred members do not
// ask at the same moment.
func spread(d time.Duration) time.Duration {
	if d < 10 {
		return d
	}
	return d - time.Duration(mathrand.Int64N(int64(d/10)))
}
