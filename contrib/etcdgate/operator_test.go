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

// byHand holds a lease, takes it away, and expects that the holder is told and a standby
// wins.
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

// A compaction that overtakes a watch ends it. The member looks again.
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
		compact()
	}
	require.NoError(t, l.Renew(brief(t)))
	require.NoError(t, l.Release(brief(t)))
	next := standby.won(t)
	compact()
	_, err := admin.Revoke(brief(t), next.id)
	require.NoError(t, err)
	await(t, next.Lost())
}

// A holder that is cut off and connected again after a compaction notices that it has lost.
func TestAHolderNoticesALossThatWasCompacted(t *testing.T) {
	c := startCluster(t, 1)
	admin, line := c.client(t), newLine(t, c.first)
	l := acquire(t, New(line.client(t), Spec{TTL: time.Hour}), "x")
	line.setCut(true)
	_, err := admin.Delete(brief(t), l.key)
	require.NoError(t, err)
	resp, err := admin.Put(brief(t), "other", "")
	require.NoError(t, err)
	_, err = admin.Compact(brief(t), resp.Header.Revision, clientv3.WithCompactPhysical())
	require.NoError(t, err)
	line.setCut(false)
	await(t, l.Lost())
}
