package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// A membership is the key of a member, which is a lease. The keys of its shards are attached
// to the same lease of etcd.
type membership struct {
	*lease
	group, root string
	layout      gate.Layout
}

// ID returns the number of the lease of etcd.
func (m *membership) ID() string { return idOf(m.id) }

// mostPerTxn is how many shards a transaction is about at most. By default etcd accepts 128
// operations in one.
const mostPerTxn = 60

// there is the comparison that holds as long as the member is there.
func (m *membership) there() clientv3.Cmp {
	return clientv3.Compare(clientv3.CreateRevision(m.key), "=", m.token)
}

func (m *membership) shardKey(i int) string { return m.root + strconv.Itoa(i) }

// ended returns the error of a request under a membership that has ended.
func (m *membership) ended() error {
	return fmt.Errorf("%w: its lease in etcd has ended, or its key was deleted", gate.ErrLost)
}

// txn makes a transaction.
func (m *membership) txn(ctx context.Context, what string, compare []clientv3.Cmp, then, otherwise []clientv3.Op) (resp *clientv3.TxnResponse, err error) {
	err = m.elector.request(ctx, what, m.root, func(ctx context.Context) (err error) {
		resp, err = m.elector.client.Txn(ctx).If(compare...).Then(then...).Else(otherwise...).Commit()
		return err
	})
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil, m.ended()
	}
	return resp, err
}

// Claim creates the keys of those shards that have none.
func (m *membership) Claim(ctx context.Context, shards []int) (map[int]gate.Lease, error) {
	leases := make(map[int]gate.Lease)
	wanted := slices.DeleteFunc(slices.Clone(shards), func(i int) bool { return i < 0 || i >= m.layout.Shards })
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	for len(wanted) > 0 {
		some := wanted[:min(len(wanted), mostPerTxn)]
		token, taken, err := m.claim(ctx, some)
		switch {
		case err != nil && len(leases) > 0 && !errors.Is(err, gate.ErrLost):
			return leases, nil // what is missing may be claimed again
		case err != nil:
			return nil, err
		case token > 0:
			for _, i := range some {
				leases[i] = &shardLease{m, m.shardKey(i), token}
			}
			wanted = wanted[len(some):]
		default:
			before := len(wanted)
			if wanted = slices.DeleteFunc(wanted, func(i int) bool { return taken[i] }); len(wanted) == before {
				return leases, nil // another was faster, or the layout is not what it was
			}
		}
	}
	return leases, nil
}

// claim claims all of the shards or none. If it has claimed none, it returns which of all
// shards are taken.
func (m *membership) claim(ctx context.Context, shards []int) (token int64, taken map[int]bool, err error) {
	layout := clientv3.Compare(clientv3.Value(m.root+layoutKey), "=", layoutText(m.layout))
	free, puts := []clientv3.Cmp{m.there(), layout}, []clientv3.Op(nil)
	for _, i := range shards {
		free = append(free, clientv3.Compare(clientv3.CreateRevision(m.shardKey(i)), "=", 0))
		puts = append(puts, clientv3.OpPut(m.shardKey(i), m.elector.spec.Member, clientv3.WithLease(m.id)))
	}
	resp, err := m.txn(ctx, "claim shards of", free, puts, []clientv3.Op{
		clientv3.OpGet(m.key), clientv3.OpGet(m.root, clientv3.WithPrefix(), clientv3.WithKeysOnly()),
	})
	if err != nil {
		return 0, nil, err
	}
	if resp.Succeeded {
		return resp.Header.Revision, nil, nil
	}
	if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) == 0 || kvs[0].CreateRevision != m.token {
		return 0, nil, m.ended()
	}
	taken = make(map[int]bool)
	for _, kv := range resp.Responses[1].GetResponseRange().Kvs {
		if i, err := strconv.Atoi(strings.TrimPrefix(string(kv.Key), m.root)); err == nil {
			taken[i] = true
		}
	}
	return 0, taken, nil
}

// Cede deletes the keys of shards that still have those tokens.
func (m *membership) Cede(ctx context.Context, claims []gate.ShardClaim) error {
	for some := range slices.Chunk(claims, mostPerTxn) {
		all, err := m.cede(ctx, some)
		if err != nil {
			return err
		}
		if all {
			continue
		}
		for i := range some { // somebody has deleted some of them, or they were ceded before
			if _, err := m.cede(ctx, some[i:i+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// cede deletes all of the keys or none.
func (m *membership) cede(ctx context.Context, claims []gate.ShardClaim) (all bool, err error) {
	var ours []clientv3.Cmp
	var deletes []clientv3.Op
	for _, c := range claims {
		ours = append(ours, clientv3.Compare(clientv3.CreateRevision(m.shardKey(c.Shard)), "=", c.Token))
		deletes = append(deletes, clientv3.OpDelete(m.shardKey(c.Shard)))
	}
	resp, err := m.txn(ctx, "cede shards of", ours, deletes, nil)
	return err == nil && resp.Succeeded, err
}

// Leave changes the value of the key.
func (m *membership) Leave(ctx context.Context) error {
	resp, err := m.txn(ctx, "leave", []clientv3.Cmp{m.there()},
		[]clientv3.Op{clientv3.OpPut(m.key, memberValue(true, m.elector.spec.Member), clientv3.WithLease(m.id))}, nil)
	if err == nil && !resp.Succeeded {
		return m.ended()
	}
	return err
}

// A shardLease is the lease of a shard: the key that was created.
type shardLease struct {
	*membership
	key   string
	token int64
}

// Token returns the revision in which the key was created.
func (l *shardLease) Token() int64 { return l.token }
