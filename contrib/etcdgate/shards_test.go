package etcdgate

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/supervisor"
)

// A shardProcess runs shards. Each run reports its context.
type shardProcess struct {
	root   *supervisor.Supervisor
	shards *gate.Shards
	runs   chan context.Context
	ended  chan time.Time
}

func startShardProcess(t testing.TB, e *Elector, n int) *shardProcess {
	p := &shardProcess{runs: make(chan context.Context, 10_000), ended: make(chan time.Time, 10_000)}
	p.shards = gate.NewShards(gate.ShardsSpec{
		Name: "feeds", N: n, Elector: e, HoldDown: time.Hour,
		Run: func(int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				p.runs <- ctx
				<-ctx.Done()
				p.ended <- time.Now()
				return nil
			}
		},
	})
	p.root = supervisor.New(supervisor.Spec{
		Name: "process", Logger: slog.New(slog.DiscardHandler), Children: []child.Spec{{Name: "feeds", Run: p.shards.Run}},
	})
	require.NoError(t, p.root.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() { _ = p.root.Stop(context.Background()) })
	return p
}

func TestGuardRefusesWhoHadAShardBefore(t *testing.T) {
	c := startCluster(t, 1)
	client, other := c.client(t), c.client(t)
	a := startShardProcess(t, New(client, Spec{TTL: 6 * time.Second}), 1)
	first := await(t, a.runs)
	require.True(t, put(t, first, client, client, "k", "1"))
	b := startShardProcess(t, New(other, Spec{TTL: 6 * time.Second}), 1)
	require.NoError(t, a.root.Stop(brief(t)))
	second := await(t, b.runs)
	require.True(t, put(t, second, other, other, "k", "2"))
	require.False(t, put(t, first, client, client, "k", "late"))
	require.False(t, put(t, second, other, client, "k", "v"), "the client was not given to New")
}

// The key of a shard is that of a lease with its name, so Holder finds it, and an operator
// can take it away.
func TestAShardWhoseKeySomebodyDeletesStopsAtOnce(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(c.client(t), Spec{TTL: 6 * time.Second, Member: "a"})
	a := startShardProcess(t, e, 2)
	first, second := await(t, a.runs), await(t, a.runs)
	h, err := e.Holder(brief(t), "feeds/1")
	require.NoError(t, err)
	require.Equal(t, "a", h.ID)
	_, err = admin.Delete(brief(t), DefaultPrefix+"feeds/1")
	require.NoError(t, err)
	select {
	case <-first.Done():
		first = second
	case <-second.Done():
	case <-time.After(30 * time.Second):
		require.Fail(t, "it goes on")
	}
	again := await(t, a.runs)
	before, _ := gate.Token(second)
	token, _ := gate.Token(again)
	require.Greater(t, token, before)
	require.NoError(t, first.Err(), "the other one goes on")
}

func TestAMemberWhoseKeySomebodyDeletesLosesAllShards(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	a := startShardProcess(t, New(c.client(t), Spec{TTL: 6 * time.Second}), 2)
	first := await(t, a.runs)
	await(t, a.runs)
	_, err := admin.Delete(brief(t), DefaultPrefix+"feeds/"+membersKey, clientv3.WithPrefix())
	require.NoError(t, err)
	<-first.Done()
	require.ErrorIs(t, context.Cause(first), gate.ErrLost)
	await(t, a.runs) // it has joined again
	await(t, a.runs)
}

func TestWhatSomebodyPutsIntoAGroupByHandIsSkipped(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(admin, Spec{TTL: time.Minute, Member: "a"})
	root := DefaultPrefix + "feeds/"
	for key, value := range map[string]string{
		root + layoutKey: "many", root + "7": "by hand", root + "07": "x", root + "x/y": "\xff", root + "99999999999999999999": "x",
	} {
		_, err := admin.Put(brief(t), key, value)
		require.NoError(t, err)
	}
	m, err := e.Join(brief(t), "feeds", gate.Layout{Shards: 9})
	require.NoError(t, err)
	got, err := m.Claim(brief(t), []int{0, 7, 8, 8})
	require.NoError(t, err)
	require.Len(t, got, 2, "the shard that somebody has put by hand is nobody's to claim")
	_, err = admin.Put(brief(t), root+membersKey+"zz", "member zz")
	require.NoError(t, err)
	v, err := e.Watch(brief(t), "feeds", 0)
	require.NoError(t, err)
	require.Equal(t, gate.Layout{Shards: 9}, v.Layout)
	require.Equal(t, []gate.GroupMember{{ID: m.ID(), Name: "a"}}, v.Members)
	require.Len(t, v.Claims, 3)
	require.NoError(t, m.Release(brief(t)))
	v, err = e.Watch(brief(t), "feeds", 0)
	require.NoError(t, err)
	require.Empty(t, v.Members)
	require.Len(t, v.Claims, 1)
}

// A membership is one lease of etcd, and nothing is left of it.
func TestAllShardsOfAMemberHaveOneLease(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(c.client(t), Spec{TTL: time.Minute})
	m, err := e.Join(brief(t), "feeds", gate.Layout{Shards: 500})
	require.NoError(t, err)
	all := make([]int, 500)
	for i := range all {
		all[i] = i
	}
	got, err := m.Claim(brief(t), all)
	require.NoError(t, err)
	require.Len(t, got, 500)
	require.Equal(t, 1, leases(t, admin))
	ctx, cancel := context.WithCancel(brief(t))
	cancel()
	_, err = New(admin, Spec{TTL: time.Minute}).Join(ctx, "feeds", gate.Layout{Shards: 3})
	require.Error(t, err)
	require.Equal(t, 1, leases(t, admin), "a Join that was cancelled leaves nothing")
	require.NoError(t, m.Release(brief(t)))
	require.Zero(t, leases(t, admin))
	resp, err := admin.Get(brief(t), DefaultPrefix, clientv3.WithPrefix())
	require.NoError(t, err)
	require.Len(t, resp.Kvs, 1, "the layout stays")
}

// How long it takes after a clean stop from the end of each shard until the next member runs
// it.
func TestHandOverOfShardsOnACleanStop(t *testing.T) {
	c := startCluster(t, 1)
	const shards = 64
	spec := Spec{TTL: 15 * time.Second}
	electors := []*Elector{New(c.client(t), spec), New(c.client(t), spec)}
	member := startShardProcess(t, electors[0], shards)
	for range shards {
		await(t, member.runs)
	}
	var took []time.Duration
	for i := range 5 {
		next := startShardProcess(t, electors[(i+1)%2], shards)
		require.Eventually(t, func() bool { return next.shards.State().Members == 2 }, 30*time.Second, time.Millisecond)
		joined := next.shards.State().Membership.Until
		require.Eventually(t, func() bool { return next.shards.State().Membership.Until.Sub(joined) > time.Second }, 30*time.Second, time.Millisecond,
			"its first renewal, from when on it claims")
		go func() { _ = member.root.Stop(brief(t)) }()
		ended := await(t, member.ended)
		for range shards {
			await(t, next.runs)
			took = append(took, time.Since(ended))
		}
		member = next
	}
	slices.Sort(took)
	n := len(took)
	t.Logf("%d hand-overs: p50 %v, p99 %v, most %v", n, took[n/2], took[n*99/100], took[n-1])
	require.Less(t, took[n/2], time.Second, "for a busy machine")
}
