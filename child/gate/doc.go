// Package gate runs something only while a gate is open: in one of many processes, which
// holds a lease, or while a flag is on.
//
//	billing := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "send", Run: send}}})
//	g := gate.New(gate.Spec{
//		Name:    "/shop/billing",
//		Elector: sqlgate.New(db, sqlgate.Spec{TTL: 15 * time.Second}),
//		Run:     billing.Run,
//	})
//	root := supervisor.New(supervisor.Spec{
//		Name:     "shop",
//		Backoff:  child.Exponential(100*time.Millisecond, 30*time.Second),
//		Children: []child.Spec{{Name: "billing", Run: g.Run}, {Name: "web", Run: web}},
//	})
//
// Each process runs the same tree. One of them leads: its gate holds the lease and runs what
// it guards. The others stand by. When the leader stops, or cannot reach the engine that
// gives the leases, another takes over. The process of the old leader goes on.
//
// # The life of a gate
//
//	stand by   ready at once, so that a process that stands by is healthy; Status.Text is
//	           "standby", and which process leads if that is known
//	win        the engine has given the lease
//	lead       Spec.Run runs as the child "guarded"; Status.Text is "leads with token 17 since
//	           2006-01-02T15:04:05Z"; the lease is renewed once per Spec.RenewEvery
//	stop       what is guarded stops in order, within Spec.StopWithin, and the lease is still
//	           renewed
//	release    after the last run has returned; another member leads at once
//	stand by   again, in the same run of the gate's child: no restart is counted
//
// What ends the lead, and what follows:
//
//	cause                              context.Cause of what is guarded    then
//	the lease is in danger, or lost    ErrLost                             bid again; nothing is released
//	Yield                              ErrYielded                          no bid until another has led, or a term has passed
//	unready for Spec.YieldAfter        ErrUnready                          the same
//	the gate's child is stopped        that of the gate's child            Run returns
//	what is guarded fails              none                                Run returns the error; no bid for a while
//	it returns nil or child.ErrDone    none                                Run returns the same
//
// A lease is in danger if it could end before a stop that begins later: because renewals are
// not answered, and a stop takes up to Spec.StopWithin. Terms has the arithmetic, and a spec
// whose terms do not fit together is an error of the first start, which prints them.
//
// After a failure, the member does not bid for a term, for two after the next one, and so
// on up to a minute, so that a healthy member leads. That also keeps a leader that always
// fails from exhausting the Intensity of its supervisor, and so from bringing down its
// siblings. A failure that is wrapped by child.Escalate ends the supervisor of the gate's
// child as always.
//
// What is guarded is part of the tree while it runs, so Health of the root fails while it
// starts, or is unready.
//
// A member does not bid when its process drains (supervisor.Spec.Drain) or stops. So a
// rolling restart moves the lead at most once for each process.
//
// # What it promises
//
// At most one member leads at any time, as long as what it guards stops within StopWithin.
// More exactly: at most one run of what is guarded has started and is not late. It is late
// if it has not returned when its lease ends, which takes a run that ignores its context, or
// a process that stood still. Then Spec.Late is called: Crash ends the process, as other
// programs do whenever they lose a lease; Fence is for what writes only with tokens.
//
// The promise depends on the engine, and on these:
//
//   - The clocks of the members and of the engine run at the same speed, give or take one
//     percent. They need not agree on the time.
//   - Nobody deletes leases in the engine, sets its clock forward, or restores it from a
//     backup. If its leader fails over without all that it had confirmed, it may give a lease
//     twice, and tokens may repeat. (After such a restore of etcd, raise its revision with
//     etcdutl snapshot restore --bump-revision.)
//   - A run that has returned has ended: it has left no goroutine behind.
//
// It does not promise that only one process acts. A process may be paused at any moment, by
// SIGSTOP, by a hypervisor, by a page that must be read from disk, between a check that it
// leads and the write that follows. When it wakes up, it writes, and no lease can know that.
// A token can.
//
// # Tokens
//
// Each lease has a token, a number that is higher than those of all leases before it. What
// is guarded finds it with Token, and passes it on with each write. The store remembers the
// highest one that it has seen, and refuses a write with a lower one. So an effect of the
// past never comes after one of the present. The store must compare and remember in one
// step, for each write:
//
//   - SQL: sqlgate.Guard(ctx, tx), first of all in each transaction. It raises a row to the
//     token and holds it until the transaction ends. A token in the rows that are written is
//     not enough: a late holder writes rows that the new one has not touched. A guard that
//     only reads is not enough. FOR SHARE on the row of the lease is wrong, too: it keeps
//     the lease from being renewed.
//   - etcd: a transaction with a comparison of the create revision of the lease's key.
//   - Object storage: store the token in the object. Read it, compare, and write with
//     If-Match. If-Match alone is no fence: a late holder that reads again has a new ETag.
//   - A queue: put the token into each message, and let the consumer keep the highest one
//     with its own state, in one transaction.
//   - Something that cannot compare, such as a mail server: write down the intent in a store
//     that can, before. Then a late holder may do twice what it had written down, and
//     nothing else.
//
// A new leader must raise the token before it reads what it continues from. The example
// "OfTokens" shows the double effect without tokens, and none with them.
//
// # Shards
//
// Shards spreads N shards over the processes that are there: feeds, partitions, tenants
// grouped by a hash. Each shard is run by one member of a group at a time.
//
//	feeds := gate.NewShards(gate.ShardsSpec{
//		Name:    "/shop/feeds",
//		N:       64,
//		Elector: sqlgate.New(db, sqlgate.Spec{TTL: 15 * time.Second}),
//		Run:     feed, // func(shard int) func(child.Context) error
//	})
//	child.Spec{Name: "feeds", Run: feeds.Run}
//
// Each shard is a child, such as /shop/feeds/shards/17. Status.Text of the child of the
// Shards is "12 of 64 shards, 5 members".
//
// A member has one lease, which a gate inside keeps and gives back, as described above, and
// its shards are claims under that lease. So the engine renews members, not shards. What a
// gate promises holds for each shard: at most one run of it has started and is not late. If
// the lease is in danger, all shards of the member stop with the cause ErrLost, and the
// member joins again. Each claim has a token of its own, higher than those of all earlier
// claims of that shard, and Guard of the engine fences each shard by its name, such as
// "/shop/feeds/17".
//
// Which member has which shard:
//
//   - Each of M members should have N/M shards, rounded down, and the N%M members that have
//     most keep one more. All members compute the same plan from what the engine shows. It
//     moves as few shards as possible, and none if no two members differ by more than one.
//     Rendezvous hashing by the names of the members chooses which ones.
//   - The plan decides nothing. A member has a shard when the engine has given it the claim.
//   - A shard that nobody has is claimed at once by the member that should have it, and
//     after a third of the TTL by any other. A member that has just joined first waits for
//     one RenewEvery, so that members that start together get equal parts.
//   - A running shard moves only after the members have been the same for HoldDown, at most
//     MovesPerMinute in the whole group, and to a member that can take it. It is stopped with
//     the cause ErrMoved, ceded when everything below it has returned, and claimed.
//   - A member that stops hands over each shard as soon as that has stopped. When the root
//     drains (supervisor.Spec.Drain), all shards are handed over at once. Otherwise they stop
//     when it is the turn of their child.
//   - A shard that fails three times in a row moves, too. Then this member does not claim it
//     for a TTL, and for longer each time, up to a minute. With one member it stays where it
//     is, and is restarted with Backoff forever.
//
// A shard that fails is restarted alone. It does not count for the Intensity of any
// supervisor, and it does not make Health of the root fail, so that one poisoned shard does
// not take a process out of service; its status and the log show it. A shard that an operator
// stops stays claimed, so that nobody runs it.
//
// N and Layout stand in the engine with the members. A process with other values joins when
// the last member has gone, so a key never belongs to two shards at the same time. To go from
// 64 to 128 shards, deploy as always. The old processes run 64 shards, and take over from
// each other while they become fewer; the new ones say in their status text that they wait.
// When the last old one has stopped, they run 128. If the last few could not bear that, stop
// them together.
//
// # Watching
//
// The status text of the gate's child says which process leads, if the engine has reported
// it. State says more, and Running finds the gates of a tree. contrib/prometheus and
// contrib/otel export them: docs/metrics.md lists the metrics. The State of a Shards says how
// many shards it runs, and Where asks the engine which member runs each.
//
// # Engines
//
//	sqlgate.New    a table of PostgreSQL, MySQL, MariaDB or SQLite
//	Alone          one process: for tests and development
//	Flag           a function says open or closed; excludes nobody
//
// Others implement Elector, and Sharder if they can hold shards, and check that with package
// gatetest. Flag cannot hold shards.
package gate
