package sqlgate

import (
	"database/sql"
	"fmt"
)

// DefaultShards is the name of the table of shards, unless the spec has another.
const DefaultShards = "coppice_shards"

// shardStatements are the SQL texts about groups of shards.
type shardStatements struct {
	dialect Dialect
	table   string

	raise     string // the revision of a group: name
	create    string // a group: name
	removeAll string // members of a group: name
	layout    string // of a group: name
	setLayout string // shards, version, name
	ended     string // IDs of members of a group whose term has passed: name
	bury      string // a member whose term has passed: group, ID
	orphans   string // IDs of members that have claims and are not there: name, name
	glance    string // at a group: name

	members      string // of a group: name
	countMembers string // of a group: name
	isMember     string // group, ID
	join         string // group, ID, member, TTL
	renew        string // TTL, group, ID
	mark         string // a member as leaving: group, ID
	leave        string // group, ID

	claims  string // of a group: name
	claimed string // by a member in a revision: group, ID, revision
	freeAll string // shards of a member: group, ID

	schema []string
}

func newShardStatements(d Dialect, shards string) shardStatements {
	groups, members, now := shards+"_groups", shards+"_members", d.now()
	text := func(format string, args ...any) string { return d.placeholders(fmt.Sprintf(format, args...)) }
	binary := "" // names are equal only if their bytes are
	if d == MySQL {
		binary = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
	}
	return shardStatements{
		dialect: d, table: shards,

		raise:     text("UPDATE %s SET revision = revision + 1 WHERE name = ?", groups),
		create:    d.placeholders(d.insert(groups, "name, shards, version, revision", "?, 0, 0, "+now)),
		removeAll: text("DELETE FROM %s WHERE grp = ?", members),
		layout:    text("SELECT shards, version, revision FROM %s WHERE name = ?", groups),
		setLayout: text("UPDATE %s SET shards = ?, version = ? WHERE name = ?", groups),
		ended:     text("SELECT id FROM %s WHERE grp = ? AND expires <= %s", members, now),
		bury:      text("DELETE FROM %s WHERE grp = ? AND id = ? AND expires <= %s", members, now),
		orphans:   text("SELECT DISTINCT member FROM %s WHERE grp = ? AND member NOT IN (SELECT id FROM %s WHERE grp = ?)", shards, members),
		glance: text("SELECT g.shards, g.version, g.revision, (SELECT COUNT(*) FROM %s m WHERE m.grp = g.name), (SELECT COUNT(*) FROM %s m WHERE m.grp = g.name AND m.expires <= %s) FROM %s g WHERE g.name = ?",
			members, members, now, groups),

		members:      text("SELECT id, member, leaving FROM %s WHERE grp = ?", members),
		countMembers: text("SELECT COUNT(*) FROM %s WHERE grp = ?", members),
		isMember:     text("SELECT COUNT(*) FROM %s WHERE grp = ? AND id = ?", members),
		join:         text("INSERT INTO %s (grp, id, member, leaving, expires) VALUES (?, ?, ?, 0, %s + ?)", members, now),
		renew:        text("UPDATE %s SET expires = %s + ? WHERE grp = ? AND id = ? AND expires > %s", members, now, now),
		mark:         text("UPDATE %s SET leaving = 1 WHERE grp = ? AND id = ?", members),
		leave:        text("DELETE FROM %s WHERE grp = ? AND id = ?", members),

		claims:  text("SELECT shard, member, token FROM %s WHERE grp = ?", shards),
		claimed: text("SELECT shard FROM %s WHERE grp = ? AND member = ? AND token = ?", shards),
		freeAll: text("DELETE FROM %s WHERE grp = ? AND member = ?", shards),

		schema: []string{
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (name VARCHAR(255)%s NOT NULL PRIMARY KEY, shards BIGINT NOT NULL, version BIGINT NOT NULL, revision BIGINT NOT NULL)", groups, binary),
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (grp VARCHAR(255)%s NOT NULL, id VARCHAR(64)%s NOT NULL, member VARCHAR(255) NOT NULL, leaving SMALLINT NOT NULL, expires BIGINT NOT NULL, PRIMARY KEY (grp, id))", members, binary, binary),
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (grp VARCHAR(255)%s NOT NULL, shard BIGINT NOT NULL, member VARCHAR(64)%s NOT NULL, token BIGINT NOT NULL, PRIMARY KEY (grp, shard))", shards, binary, binary),
		},
	}
}

// claim returns the statement that claims n shards, unless they are claimed: group, shard,
// ID, revision, for each.
func (s *shardStatements) claim(n int) string {
	insert, end := "INSERT", " ON CONFLICT DO NOTHING"
	if s.dialect == MySQL {
		insert, end = "INSERT IGNORE", ""
	}
	return s.dialect.placeholders(fmt.Sprintf("%s INTO %s (grp, shard, member, token) VALUES %s%s", insert, s.table, repeated("(?, ?, ?, ?)", ", ", n), end))
}

// cede returns the statement that frees n shards: group, ID, then shard and token of each.
func (s *shardStatements) cede(n int) string {
	return s.dialect.placeholders(fmt.Sprintf("DELETE FROM %s WHERE grp = ? AND member = ? AND (%s)", s.table, repeated("shard = ? AND token = ?", " OR ", n)))
}

// isolation is that of a transaction that changes a group. It sees what was committed
// before it got hold of the group. In MySQL it locks nothing between rows, where others
// insert. SQLite has no other than its own.
func (d Dialect) isolation() *sql.TxOptions {
	if d == SQLite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}
