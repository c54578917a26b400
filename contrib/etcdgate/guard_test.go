package etcdgate

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// put writes under the lease of ctx, by a client.
func put(t testing.TB, ctx context.Context, by, client *clientv3.Client, key, value string) (succeeded bool) {
	t.Helper()
	resp, err := by.Txn(brief(t)).If(Guard(ctx, client)).Then(clientv3.OpPut(key, value)).Commit()
	require.NoError(t, err)
	return resp.Succeeded
}

func TestGuardRefusesAHolderOfThePast(t *testing.T) {
	c := startCluster(t, 1)
	client, other := c.client(t), c.client(t)
	a, b := New(client, Spec{TTL: 6 * time.Second}), New(other, Spec{TTL: 6 * time.Second})
	pa, pb := startProcess(t, a, "x"), (*process)(nil)
	first := await(t, pa.leads)
	pb = startProcess(t, b, "x")
	require.True(t, put(t, first, client, client, "k", "1"))
	require.True(t, put(t, first, other, client, "k", "2"), "by another client of the same etcd")

	require.NoError(t, pa.gate.Yield(brief(t)))
	require.False(t, put(t, first, client, client, "untouched", "late"), "also of keys that the next one has not written")
	second := await(t, pb.leads)
	require.True(t, put(t, second, other, other, "k", "3"))
	require.False(t, put(t, first, client, client, "k", "late"))

	require.Eventually(t, func() bool { return pa.gate.State().NoBid.IsZero() }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, pb.gate.Yield(brief(t)))
	third := await(t, pa.leads) // the same process again
	require.True(t, put(t, third, client, client, "k", "4"))
	require.False(t, put(t, first, client, client, "k", "late"), "the first lease of the same process")
	resp, err := client.Get(brief(t), "k")
	require.NoError(t, err)
	require.Equal(t, "4", string(resp.Kvs[0].Value))
	resp, err = client.Get(brief(t), "untouched")
	require.NoError(t, err)
	require.Empty(t, resp.Kvs)
}

func TestGuardNeverHoldsWithoutALease(t *testing.T) {
	c := startCluster(t, 1)
	client, stranger := c.client(t), c.client(t)
	require.False(t, put(t, t.Context(), client, client, "k", "v"), "no lease")
	p := startProcess(t, New(client, Spec{TTL: time.Minute}), "x")
	led := await(t, p.leads)
	require.False(t, put(t, led, stranger, stranger, "k", "v"), "the client was not given to New")
	require.False(t, put(t, led, client, nil, "k", "v"), "no client")
	require.True(t, put(t, led, client, client, "k", "v"))
}

// A gate behind another one, each with leases in an etcd of its own. Guard finds the lease of
// the etcd that is written to.
func TestGuardFindsTheLeaseOfItsClientBehindSeveralGates(t *testing.T) {
	one, two := startCluster(t, 1).client(t), startCluster(t, 1).client(t)
	var inner process
	outer := startProcess(t, New(one, Spec{TTL: time.Minute}), "outer", func(s *gate.Spec) {
		inner = process{leads: make(chan context.Context, 1), stops: make(chan error, 1), ended: make(chan time.Time, 1)}
		s.Run = gate.New(gate.Spec{Name: "inner", Elector: New(two, Spec{TTL: time.Minute}), Run: inner.guarded}).Run
	})
	led := await(t, inner.leads)
	require.True(t, put(t, led, one, one, "k", "v"))
	require.True(t, put(t, led, two, two, "k", "v"))
	require.False(t, put(t, led, two, one, "k", "v"), "the key of the outer lease is in the other etcd")
	require.NoError(t, outer.root.Stop(brief(t)))
	require.False(t, put(t, led, one, one, "k", "late"))
	require.False(t, put(t, led, two, two, "k", "late"))
}

// Each leader goes on to write after its lease is over, until it is refused, while the next
// ones write, too. The order of all writes is that of the tokens.
func TestNoEffectIsOutOfTheOrderOfTokens(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	electors := []*Elector{New(c.client(t), Spec{TTL: time.Minute}), New(c.client(t), Spec{TTL: time.Minute})}
	const leaders = 100
	var late sync.WaitGroup
	for i := range leaders {
		e := electors[i%2]
		l := acquire(t, e, "x")
		late.Go(func() {
			for {
				resp, err := e.client.Txn(brief(t)).If(guard(l.key, l.token)).Then(clientv3.OpPut("n", fmt.Sprint(l.token))).Commit()
				if err != nil || !resp.Succeeded {
					assert.NoError(t, err)
					return
				}
			}
		})
		require.Eventually(t, func() bool { // it has written
			resp, err := admin.Get(brief(t), "n")
			return err == nil && len(resp.Kvs) > 0 && string(resp.Kvs[0].Value) == fmt.Sprint(l.token)
		}, 30*time.Second, time.Millisecond)
		require.NoError(t, l.Release(brief(t)))
	}
	late.Wait()
	last, _, err := electors[0].look(brief(t), "n")
	require.NoError(t, err)
	var before, tokens, writes int64
	for r := range admin.Watch(brief(t), "n", clientv3.WithRev(1)) {
		for _, event := range r.Events {
			var token int64
			_, err := fmt.Sscan(string(event.Kv.Value), &token)
			require.NoError(t, err)
			require.GreaterOrEqual(t, token, before, "a write of the past")
			if token > before {
				tokens++
			}
			writes++
			before = token
		}
		if writes == last.Version {
			break
		}
	}
	t.Logf("%d writes by %d leaders", writes, tokens)
	require.EqualValues(t, leaders, tokens)
}
