// Package sqlgate gives leases to gates by a table of a SQL database: PostgreSQL, MySQL or
// MariaDB, and SQLite. It stands on database/sql alone; bring your own driver.
//
//	leases := sqlgate.New(db, sqlgate.Spec{TTL: 15 * time.Second})
//	if err := leases.CreateTables(ctx); err != nil { // or put Schema into your migrations
//		return err
//	}
//	g := gate.New(gate.Spec{Name: "/shop/billing", Elector: leases, Run: billing.Run})
//
// and in each transaction of what is guarded, first of all:
//
//	if err := sqlgate.Guard(ctx, tx); err != nil {
//		return err
//	}
//
// # How it works
//
// A lease is a row with a name, a holder, a token and an expiry. The expiry is by the clock
// of the database; the clocks of members do not matter. Each statement compares before it
// changes, and is a transaction of its own, so it works through a pooler in transaction mode.
// Nothing is held between two statements. Advisory locks are not used: they end with a
// connection that a pool or pooler may close at any time, and have no token.
//
// A member that stands by asks once per Spec.PollEvery, by one query. So a hand-over takes
// up to one such period.
//
// The first token of a name is the time in microseconds, and each lease adds one. So tokens
// grow even if somebody deletes the row.
//
// # Guard
//
// A lease alone cannot keep a process that was paused from writing when it wakes up: see
// package gate. Guard can, for the database in which the transaction is. It raises a row of
// the table of fences to the token of the lease, in the same transaction, and refuses a
// token that is lower than one before. Since the row is locked until the transaction ends,
// everything that a leader commits comes before anything that the next one reads.
//
//   - Call it first of all, before the transaction reads. A leader that has read before its
//     Guard may write what it has computed from rows that the one before was changing.
//   - Call it in each transaction, also in one that only inserts. A token in the rows
//     themselves is not enough: a late holder would write rows that the new one has not
//     touched. A guard that only reads is not enough either: it may read just before the
//     new leader writes.
//   - The row of the fence is not the row of the lease, so a long transaction does not keep
//     the lease from being renewed. (In SQLite each write locks the whole file. There, keep
//     the leases in a file of their own, or transactions shorter than a sixth of the TTL.)
//   - A process that is paused in the middle of a guarded transaction holds the row, and the
//     next leader waits for it in its Guard, until the database ends that transaction. In
//     PostgreSQL set idle_in_transaction_session_timeout to somewhat more than the TTL.
//   - Do not delete rows of the table of fences: they remember the highest token.
//
// # Shards
//
// An Elector also holds the shards of a gate.Shards, in three more tables: one row for each
// group, member and claimed shard. A member renews its own row, and asks once per PollEvery,
// by one query, whether the group has changed. Only then it reads the rows of the group. So
// shards that do not move cost nothing.
//
// Everything that changes a group is one transaction, which first raises the revision in the
// row of the group. So changes of one group wait for each other, and not for those of others.
// Renewals wait for none of them. (In MySQL the transactions are READ COMMITTED, which needs
// binlog_format ROW or MIXED; ROW is the default of MySQL, and MIXED that of MariaDB.) The first revision is the time in microseconds, and the token of
// a claim is the revision that made it. A member whose term has passed is deleted by the next
// one that notices. A process that is paused in the middle of such a transaction keeps the
// other members from claiming shards until the database ends it: see the timeout above.
//
// Guard works in a shard as behind a gate. The name of its fence is that of the shard, such
// as "/shop/feeds/17", so shards do not wait for each other.
//
// # What it does not cover
//
// A clock of the database that is set forward ends leases early, so two members may lead for
// a moment: Guard covers that. A database that is restored from a backup, or fails over to a
// replica that had not received everything, may forget leases, tokens and fences. After
// such an event stop all members, or drop the tables while they are stopped.
package sqlgate
