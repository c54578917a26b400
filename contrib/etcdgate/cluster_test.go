package etcdgate

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/coppice-go/coppice/child/gate"
)

// slowly gives a cluster the election timeout that etcd has by default.
func slowly(c *embed.Config) { c.TickMs, c.ElectionMs = 100, 1000 }

// A member of etcd fails. The lead of the gate stays where it is: if that was the leader of
// etcd, all terms begin again with the next one, and clients go to another member. Requests
// may fail for a while, because a member that stops answers some with an error.
func TestALeadOutlivesTheFailureOfAMemberOfEtcd(t *testing.T) {
	for name, after := range map[string]int{"the leader": 0, "another": 1} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, 3)
			spec := Spec{TTL: 6 * time.Second}
			a := startProcess(t, New(c.client(t), spec), "x")
			led := await(t, a.leads)
			token, _ := gate.Token(led)
			b := startProcess(t, New(c.client(t), spec), "x")
			for range 2 {
				i := (c.leader(t) + after) % 3
				c.stop(i)
				c.leader(t)
				never(t, spec.TTL+time.Second, "the lead has moved, or was given up", led.Done()) // it must have renewed with the others
				require.Equal(t, token, a.gate.State().Token)
				c.launch(t, i)
				c.awaitReady(t, i)
			}
			require.NoError(t, a.root.Stop(brief(t)))
			next := await(t, b.leads)
			higher, _ := gate.Token(next)
			require.Greater(t, higher, token)
		})
	}
}

// etcd has no quorum for longer than a term. The leader stops before its lease can end, and
// nobody leads. When the quorum is back, one member leads, with a higher token.
func TestWithoutAQuorumNobodyLeadsAndOneDoesWhenItIsBack(t *testing.T) {
	c := startCluster(t, 3)
	spec := Spec{TTL: 3 * time.Second}
	a, b := startProcess(t, New(c.client(t), spec), "x"), (*process)(nil)
	led := await(t, a.leads)
	token, _ := gate.Token(led)
	b = startProcess(t, New(c.client(t), spec), "x")
	c.stop(0)
	lost := time.Now()
	c.stop(1)
	cause := await(t, a.stops)
	require.ErrorIs(t, cause, gate.ErrLost)
	stopped := await(t, a.ended)
	t.Logf("stopped %v after the quorum was lost; the term is %v", stopped.Sub(lost), spec.TTL)
	require.Less(t, stopped.Sub(lost), spec.TTL)
	never(t, time.Until(lost.Add(2*spec.TTL)), "a process leads without a quorum", a.leads, b.leads)
	require.NoError(t, a.root.Health(), "the process stays up")
	c.launch(t, 0)
	c.awaitReady(t, 0)
	back := time.Now()
	var next context.Context
	select {
	case next = <-a.leads:
	case next = <-b.leads:
	case <-time.After(30 * time.Second):
		require.Fail(t, "nobody leads")
	}
	t.Logf("led again %v after the quorum was back", time.Since(back))
	after, _ := gate.Token(next)
	require.Greater(t, after, token)
	never(t, spec.TTL, "another process leads, too", a.leads, b.leads)
	require.False(t, a.gate.Open() && b.gate.Open())
	require.True(t, a.gate.Open() || b.gate.Open())
}

// A member that stands by returns an error when etcd has no leader, so that the gate says so.
func TestAStandbyReportsAnEtcdWithoutALeader(t *testing.T) {
	c := startCluster(t, 3)
	e := New(c.client(t), Spec{TTL: 3 * time.Second})
	l := acquire(t, New(c.client(t), Spec{TTL: 30 * time.Second}), "x")
	defer l.unwatch()
	standby := startTry(t, e, "x")
	awaitLeases(t, c.client(t), 2)
	began := time.Now()
	c.stop(0)
	c.stop(1)
	await(t, standby.done)
	require.Error(t, standby.err)
	require.NotErrorIs(t, standby.err, context.Canceled)
	t.Log(time.Since(began), standby.err)
}

// etcd is stopped as a whole, and started again, within a term: the lease is kept.
func TestARestartOfEtcdWithinATermKeepsTheLease(t *testing.T) {
	c := startCluster(t, 1)
	l := acquire(t, New(c.client(t), Spec{TTL: time.Minute}), "x")
	c.stop(0)
	c.launch(t, 0)
	c.awaitReady(t, 0)
	require.NoError(t, l.Renew(brief(t)))
	select {
	case <-l.Lost():
		require.Fail(t, "lost")
	default:
	}
	require.NoError(t, l.Release(brief(t)))
}

// etcd grants no term that is shorter than one and a half election timeouts. The gate must
// know the term that it has, not the one that it wanted.
func TestTheTermIsTheOneThatWasGranted(t *testing.T) {
	c := startCluster(t, 1, slowly)
	e := New(c.client(t), Spec{TTL: 500 * time.Millisecond})
	require.Equal(t, time.Second, e.TTL(), "rounded up")
	l := acquire(t, e, "x")
	require.Equal(t, 2*time.Second, l.Term().TTL)
	require.NoError(t, l.Renew(brief(t)))
	require.Equal(t, 2*time.Second, l.Term().TTL)
	sent := time.Now()
	standby := startTry(t, New(c.client(t), Spec{TTL: 7200 * time.Millisecond}), "x")
	next := standby.won(t)
	require.GreaterOrEqual(t, time.Since(sent), 2*time.Second-500*time.Millisecond)
	require.Equal(t, 8*time.Second, next.Term().TTL)
	require.NoError(t, next.Release(brief(t)))
}

// A watch of a member of etcd that has lost the others would be silent for ever, while other
// requests go to members that are well.
func TestAWatchEndsWhenItsMemberOfEtcdHasNoLeader(t *testing.T) {
	c := startCluster(t, 3)
	e := New(newLine(t, c.first).client(t), Spec{TTL: time.Minute})
	c.stop(1)
	c.stop(2)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.watch(brief(t), "x", 1, func(*clientv3.Event) bool { return true })
	}()
	await(t, ended)
	require.NoError(t, brief(t).Err())
}

// A member that stands by does not come to renew its lease if the key changes more often than
// it looks. When it wins, its lease must not be about to end.
func TestALeaseIsFreshWhenItIsWon(t *testing.T) {
	c := startCluster(t, 1)
	e := New(c.client(t), Spec{TTL: time.Minute})
	b := &bid{elector: e, key: "x"}
	require.NoError(t, b.grant(brief(t)))
	granted := b.term
	b.sent = b.sent.Add(-e.TTL() / 2)
	l, err := b.win(brief(t))
	require.NoError(t, err)
	require.True(t, l.Term().Sent.Time().After(granted.Sent.Time()))
	require.NoError(t, l.Release(brief(t)))
}

// A term counts from before its request, however late the answer.
func TestATermCountsFromWhenItsRequestWasSent(t *testing.T) {
	line := newLine(t, startCluster(t, 1).first)
	l := acquire(t, New(line.client(t), Spec{TTL: 8 * time.Second}), "x")
	const late = time.Second // of the renewal, and of the look at the key
	line.Slow(late)
	called := time.Now()
	require.NoError(t, l.Renew(brief(t)))
	require.WithinRange(t, l.Term().Sent.Time(), called, called.Add(late/2))
}
