package sqlgate

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Dialect is the kind of a database.
type Dialect uint8

const (
	PostgreSQL Dialect = iota // the default
	MySQL                     // and MariaDB
	SQLite
)

var dialects = [...]string{PostgreSQL: "PostgreSQL", MySQL: "MySQL", SQLite: "SQLite"}

// String returns the name.
func (d Dialect) String() string {
	if int(d) < len(dialects) {
		return dialects[d]
	}
	return fmt.Sprintf("Dialect(%d)", uint8(d))
}

// now is the clock of the database in microseconds since 1970. It may be that of the start
// of a statement: a term counts from before.
func (d Dialect) now() string {
	switch d {
	case MySQL:
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))"
	case SQLite:
		return "CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER) * 1000"
	}
	return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
}

// resolution is how much time passes, at most, until now returns another number.
func (d Dialect) resolution() time.Duration {
	if d == SQLite {
		return time.Millisecond
	}
	return time.Microsecond
}

// insert returns a statement that inserts a row, unless there is one with the same key.
func (d Dialect) insert(table, columns, values string) string {
	if d == MySQL {
		return fmt.Sprintf("INSERT IGNORE INTO %s (%s) VALUES (%s)", table, columns, values)
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (name) DO NOTHING", table, columns, values)
}

// placeholders replaces each ? by the form of the dialect.
func (d Dialect) placeholders(query string) string {
	if d != PostgreSQL {
		return query
	}
	var text strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(query, "?")
		text.WriteString(before)
		if !found {
			return text.String()
		}
		n++
		text.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}
