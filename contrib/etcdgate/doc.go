// Package etcdgate gives leases to gates by etcd.
//
//	leases := etcdgate.New(client, etcdgate.Spec{TTL: 15 * time.Second})
//	g := gate.New(gate.Spec{Name: "/shop/billing", Elector: leases, Run: billing.Run})
//
// and in each transaction of what is guarded:
//
//	resp, err := client.Txn(ctx).
//		If(etcdgate.Guard(ctx, client)).
//		Then(clientv3.OpPut("bills/17", "sent")).
//		Commit()
//	if err == nil && !resp.Succeeded {
//		err = gate.ErrStale
//	}
//
// # How it works
//
// A lease of a gate is a key that is attached to a lease of etcd. The member that creates the key
// holds it. The token is the revision in which the key was created. Revisions of etcd only
// grow, so tokens grow even if somebody deletes the key.
//
// A member that stands by has a lease of etcd, too, without a key. It watches the key, and
// when that is deleted, it creates it in one transaction. So a hand-over after a clean stop
// takes two commits of etcd: the one that revokes the lease of the old leader, and the one
// that creates the key. The watch only saves time. A member that stands by also looks once
// per sixth of the TTL, and then renews its lease. So N members make about 12 N small
// requests per TTL, and a hand-over makes N.
//
// A leader renews its lease and looks at the key. It holds the gate's lease if both are as
// they were. It also watches the key, and stops at once if somebody deletes it or revokes
// the lease. The goroutine that watches ends when the lease is released or lost, or its
// term has passed.
//
// Package concurrency of etcd's client is not used. Its Campaign goes on after its lease has
// ended, and may return without one, and Session.Done is closed only when another may lead
// already.
//
// # Guard
//
// A lease alone cannot keep a process that was paused from writing when it wakes up: see
// package gate. Guard returns a comparison with which a transaction is refused once the
// lease has ended. It fences what is in the same etcd as the lease. For other stores pass
// on gate.Token.
//
// # Shards
//
// An Elector also holds the shards of a gate.Shards. A member is a key below the name of the
// group, attached to a lease of etcd, and so are the keys of its shards. That of shard 17 of
// "/shop/feeds" is the key of a lease with the name "/shop/feeds/17": Guard and Holder work
// with it. Members renew their leases, and watch the keys of the group. Some milliseconds
// after a change they read all of them, so while shards move, each member reads the whole
// group some times per second: about 100 bytes for each shard.
//
// Do not give a gate the name of a shard. Somebody who deletes the key of a shard stops it
// at once; it is claimed again.
//
// # etcd
//
// A term is in whole seconds. etcd grants no term shorter than one and a half election
// timeouts: 2 s by default. The gate uses the term that was granted.
//
// When etcd's own leader fails, all terms begin again with the next one. So a gate keeps its
// lease if the next leader is there in time, and another takes over later if the leader of
// the gate fails at the same time. Choose a TTL of at least five election timeouts.
//
// With authentication, the user of the client needs the permission to read and write the
// keys below Spec.Prefix:
//
//	etcdctl role grant-permission shop readwrite --prefix coppice/leases:
//
// A client with a password authenticates again for each renewal. Each member does that once
// per sixth of the TTL, and it keeps a processor of etcd busy for some 50 ms (etcd's
// --bcrypt-cost). Certificates do not have this cost.
//
// etcdctl get --prefix coppice/leases: shows which process leads, and del or lease revoke
// take the lead away. After etcd was restored from a backup, its revision must be raised
// (etcdutl snapshot restore --bump-revision --mark-compacted), because tokens would repeat.
package etcdgate
