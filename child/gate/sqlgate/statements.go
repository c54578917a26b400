package sqlgate

import "fmt"

// Names of the tables, unless the spec has others.
const (
	DefaultLeases = "coppice_leases"
	DefaultFences = "coppice_fences"
)

// statements are the SQL texts of an elector.
type statements struct {
	look    string // at a lease: name
	create  string // a lease: name, holder, member, TTL
	take    string // a lease that is free: holder, member, TTL, name, token of the last one
	renew   string // TTL, name, holder, token
	release string // name, holder
	schema  []string
}

func newStatements(d Dialect, leases, fences string) statements {
	now := d.now()
	text := func(format string, args ...any) string { return d.placeholders(fmt.Sprintf(format, args...)) }
	binary := "" // names are equal only if their bytes are
	if d == MySQL {
		binary = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	return statements{
		look:    text("SELECT holder, member, token, since, expires, %s FROM %s WHERE name = ?", now, leases),
		create:  d.placeholders(d.insert(leases, "name, holder, member, token, since, expires", fmt.Sprintf("?, ?, ?, %s, %s, %s + ?", now, now, now))),
		take:    text("UPDATE %s SET holder = ?, member = ?, token = token + 1, since = %s, expires = %s + ? WHERE name = ? AND token = ? AND expires <= %s", leases, now, now, now),
		renew:   text("UPDATE %s SET expires = %s + ? WHERE name = ? AND holder = ? AND token = ?", leases, now),
		release: text("UPDATE %s SET holder = '', expires = 0 WHERE name = ? AND holder = ?", leases),
		schema: []string{
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (name VARCHAR(255)%s NOT NULL PRIMARY KEY, holder VARCHAR(255) NOT NULL, member VARCHAR(255) NOT NULL, token BIGINT NOT NULL, since BIGINT NOT NULL, expires BIGINT NOT NULL)", leases, binary),
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (name VARCHAR(255)%s NOT NULL PRIMARY KEY, token BIGINT NOT NULL, raised BIGINT NOT NULL)", fences, binary),
		},
	}
}

// A fence has the SQL texts of Guard. The column raised changes each time, because MySQL
// counts only rows that change.
type fence struct {
	raise  string // token, name, token
	look   string // name
	create string // name
}

func newFence(d Dialect, table string) fence {
	return fence{
		raise:  d.placeholders("UPDATE " + table + " SET token = ?, raised = raised + 1 WHERE name = ? AND token <= ?"),
		look:   d.placeholders("SELECT token FROM " + table + " WHERE name = ?"),
		create: d.placeholders(d.insert(table, "name, token, raised", "?, 0, 0")),
	}
}
