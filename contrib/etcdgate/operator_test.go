package etcdgate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// What somebody does by hand while gates run. The terms are so long that nothing of it is
// noticed by a renewal.

func TestALeaseThatAnOperatorRevokesIsLostAtOnce(t *testing.T) {
	byHand(t, func(t *testing.T, admin *clientv3.Client, key string, l *lease) {
		_, err := admin.Revoke(brief(t), l.id)
		require.NoError(t, err)
	})
}

func TestAKeyThatSomebodyDeletesIsLostAtOnce(t *testing.T) {
	byHand(t, func(t *testing.T, admin *clientv3.Client, key string, l *lease) {
		_, err := admin.Delete(brief(t), key)
		require.NoError(t, err)
	})
}

// byHand holds a lease, takes it away, and expects that the holder notices and a standby wins.
func byHand(t *testing.T, takeAway func(t *testing.T, admin *clientv3.Client, key string, l *lease)) {
	c := startCluster(t, 1)
	admin := c.client(t)
	a, b := New(c.client(t), Spec{TTL: time.Hour}), New(c.client(t), Spec{TTL: time.Hour})
	l := acquire(t, a, "x")
	standby := startTry(t, b, "x")
	awaitLeases(t, admin, 2)
	takeAway(t, admin, DefaultPrefix+"x", l)
	await(t, l.Lost())
	next := standby.won(t)
	require.Greater(t, next.Token(), l.Token())
	require.ErrorIs(t, l.Renew(brief(t)), gate.ErrLost)
	require.NoError(t, l.Release(brief(t)))
	require.NoError(t, next.Renew(brief(t)), "the late release has harmed it")
	select {
	case <-next.Lost():
		require.Fail(t, "lost")
	default:
	}
	require.NoError(t, next.Release(brief(t)))
	require.Zero(t, leases(t, admin))
}

// Somebody overwrites the key. The create revision stays, but the key is not attached to the
// lease any more, so it would never end.
func TestAKeyThatSomebodyOverwritesIsLostAndNeverTaken(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(admin, Spec{TTL: time.Hour})
	l := acquire(t, e, "x")
	_, err := admin.Put(brief(t), DefaultPrefix+"x", strings.Repeat("m", 1000)+"\xff")
	require.NoError(t, err)
	await(t, l.Lost())
	require.ErrorContains(t, l.Renew(brief(t)), "put by hand")
	require.NoError(t, l.Release(brief(t)))
	h, err := e.Holder(brief(t), "x")
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("m", 200), h.ID)
	_, err = e.Acquire(brief(t), "x")
	require.EqualError(t, err, "etcdgate: coppice/leases:x has no lease, so it was put by hand and never ends: delete it")
	_, err = admin.Put(brief(t), DefaultPrefix+"x", "")
	require.NoError(t, err)
	h, err = e.Holder(brief(t), "x")
	require.NoError(t, err)
	require.Equal(t, "an unknown member", h.ID)
	_, err = admin.Delete(brief(t), DefaultPrefix+"x")
	require.NoError(t, err)
	next := acquire(t, e, "x")
	require.Greater(t, next.Token(), l.Token())
	require.NoError(t, next.Release(brief(t)))
	require.Zero(t, leases(t, admin))
}

// An operator revokes the lease of a member that stands by. It asks for another one.
func TestAStandbyWhoseLeaseIsRevokedStandsByOn(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(c.client(t), Spec{TTL: time.Hour})
	l := acquire(t, e, "x")
	standby := startTry(t, e, "x")
	awaitLeases(t, admin, 2)
	all, err := admin.Leases(brief(t))
	require.NoError(t, err)
	for _, other := range all.Leases {
		if other.ID != l.id {
			_, err := admin.Revoke(brief(t), other.ID)
			require.NoError(t, err)
		}
	}
	require.NoError(t, l.Release(brief(t)))
	next := standby.won(t)
	require.NoError(t, next.Renew(brief(t)))
	require.NoError(t, next.Release(brief(t)))
}

// A watch whose connection breaks goes on from where it was. If that was compacted meanwhile,
// etcd ends the watch. The member looks, and watches again.
func TestACompactionUnderTheWatchChangesNothing(t *testing.T) {
	c := startCluster(t, 1)
	admin, line := c.client(t), newLine(t, c.first)
	e := New(line.client(t), Spec{TTL: time.Hour})
	compact := func() {
		for range 10 {
			_, err := admin.Put(brief(t), "other", "")
			require.NoError(t, err)
		}
		resp, err := admin.Get(brief(t), "other")
		require.NoError(t, err)
		_, err = admin.Compact(brief(t), resp.Header.Revision, clientv3.WithCompactPhysical())
		require.NoError(t, err)
	}
	l := acquire(t, New(admin, Spec{TTL: time.Hour}), "x")
	compact()
	e.watch(t.Context(), l.key, l.token, func(*clientv3.Event) bool { // that revision is gone
		require.Fail(t, "an event that was compacted")
		return true
	})

	standby := startTry(t, e, "x")
	awaitLeases(t, admin, 2)
	for range 3 {
		looks := line.unaries.Load()
		compact()
		line.Drop()
		require.Eventually(t, func() bool { return line.unaries.Load() >= looks+1 }, 30*time.Second, time.Millisecond, "it looks")
	}
	looks := line.unaries.Load()
	never(t, 1500*time.Millisecond, "it has won, or returned an error", standby.done)
	require.LessOrEqual(t, line.unaries.Load(), looks+2, "it looks again and again instead of watching")
	require.NoError(t, l.Renew(brief(t)))
	require.NoError(t, l.Release(brief(t)))
	next := standby.won(t)
	compact()
	line.Drop()
	_, err := admin.Revoke(brief(t), next.id)
	require.NoError(t, err)
	await(t, next.Lost())
}

// A holder that is cut off and connected again after a compaction notices that it has lost.
func TestAHolderNoticesALossThatWasCompacted(t *testing.T) {
	c := startCluster(t, 1)
	admin, line := c.client(t), newLine(t, c.first)
	l := acquire(t, New(line.client(t), Spec{TTL: time.Hour}), "x")
	line.Cut(true)
	_, err := admin.Delete(brief(t), l.key)
	require.NoError(t, err)
	resp, err := admin.Put(brief(t), "other", "")
	require.NoError(t, err)
	_, err = admin.Compact(brief(t), resp.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	line.Cut(false)
	await(t, l.Lost())
}

// After a release, no loss is reported, and nothing of the lease remains.
func TestAReleaseIsNotALoss(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	e := New(c.client(t), Spec{TTL: time.Hour})
	l := acquire(t, e, "x")
	standby := startTry(t, e, "x")
	awaitLeases(t, admin, 2)
	require.NoError(t, l.Release(brief(t)))
	next := standby.won(t)
	select {
	case <-l.Lost():
		require.Fail(t, "lost")
	default:
	}
	gone := func(what string) func() bool { return func() bool { return !strings.Contains(stacks(), what) } }
	require.Eventually(t, gone("watchForDeletion"), 5*time.Second, time.Millisecond, "the watch of a bid that has won")
	require.NoError(t, next.Release(brief(t)))
	require.Eventually(t, gone("(*lease).watch"), 5*time.Second, time.Millisecond)
	require.NoError(t, next.Release(brief(t)), "a second release does nothing")
}

// A lease that nobody releases or renews leaves no goroutine when its term has passed.
func TestALeaseThatIsForgottenLeavesNoGoroutine(t *testing.T) {
	c := startCluster(t, 1)
	line := newLine(t, c.first)
	l := acquire(t, New(line.client(t), Spec{TTL: time.Second}), "x")
	line.Cut(true)
	await(t, l.watched)
	require.GreaterOrEqual(t, time.Since(l.Term().Sent.Time()), time.Second)
}

// A holder that has renewed its lease for a while notices a loss before its next renewal.
func TestALossIsReportedAtOnceAlsoAfterRenewals(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	l := acquire(t, New(c.client(t), Spec{TTL: 4 * time.Second}), "x")
	keepRenewing(t, l, 5*time.Second)
	_, err := admin.Delete(brief(t), l.key)
	require.NoError(t, err)
	await(t, l.Lost())
}
