package etcdgate

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// Guard returns a comparison that makes a transaction refuse a holder of the past. Put it
// into the If of each transaction of what a gate with an Elector of this package guards. ctx
// is that of the run, or derived from it. client is the one that was given to New. The
// transaction may be made by another client of the same etcd.
//
// The comparison holds for as long as the key of the lease exists as it was created, which
// etcd checks in the same step as it writes. If the transaction has not succeeded, and you
// have no other comparisons, another may have led since: return gate.ErrStale.
//
// If ctx does not belong to what such a gate guards, or another client was given to New, the
// comparison never holds.
//
// A new leader must read what it continues from after it has won. It needs no more than
// that: what the one before has written was committed before the key was created.
func Guard(ctx context.Context, client *clientv3.Client) clientv3.Cmp {
	for _, held := range gate.Leases(ctx) {
		switch l := held.(type) {
		case *lease:
			if l.elector.client == client {
				return guard(l.key, l.token)
			}
		case *shardLease:
			if l.elector.client == client {
				return guard(l.key, l.token)
			}
		}
	}
	return clientv3.Compare(clientv3.CreateRevision("\x00"), "=", -1) // revisions are not negative
}

func guard(key string, token int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(key), "=", token)
}
