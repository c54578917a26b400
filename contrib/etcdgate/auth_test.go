package etcdgate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/coppice-go/coppice/child/gate"
)

// startWithAuth starts an etcd with authentication, whose tokens end after a second without
// use. The user shop may read and write what is below the default prefix, and nothing else.
func startWithAuth(t *testing.T) (c *cluster, as func(user string) func(*clientv3.Config)) {
	c = startCluster(t, 1, func(config *embed.Config) { config.AuthTokenTTL, config.BcryptCost = 1, 4 })
	admin := c.client(t)
	as = func(user string) func(*clientv3.Config) {
		return func(config *clientv3.Config) { config.Username, config.Password = user, "secret" }
	}
	for _, user := range []string{"root", "shop", "stranger"} {
		_, err := admin.UserAdd(brief(t), user, "secret")
		require.NoError(t, err)
		_, err = admin.RoleAdd(brief(t), user)
		require.NoError(t, err)
		_, err = admin.UserGrantRole(brief(t), user, user)
		require.NoError(t, err)
	}
	_, err := admin.RoleGrantPermission(brief(t), "shop", DefaultPrefix, clientv3.GetPrefixRangeEnd(DefaultPrefix),
		clientv3.PermissionType(clientv3.PermReadWrite))
	require.NoError(t, err)
	_, err = admin.AuthEnable(brief(t))
	require.NoError(t, err)
	return c, as
}

func TestAUserNeedsThePrefixAlone(t *testing.T) {
	c, as := startWithAuth(t)
	client := func(user string) *clientv3.Client { return newLine(t, c.first).client(t, as(user)) }
	shop, other := client("shop"), client("shop")
	l := acquire(t, New(shop, Spec{TTL: 2 * time.Second}), "x")
	standby := startTry(t, New(other, Spec{TTL: 2 * time.Second}), "x")
	keepRenewing(t, l, 3200*time.Millisecond)                       // longer than tokens last
	never(t, 1500*time.Millisecond, "the lease was lost", l.Lost()) // longer than a token lasts without use
	require.NoError(t, l.Renew(brief(t)))
	require.NoError(t, l.Release(brief(t)))
	next := standby.won(t)
	require.NoError(t, next.Renew(brief(t)))
	require.NoError(t, next.Release(brief(t)))
}

func TestAUserWithoutThePermissionIsToldSo(t *testing.T) {
	c, as := startWithAuth(t)
	e := New(newLine(t, c.first).client(t, as("stranger")), Spec{TTL: 10 * time.Second})
	_, err := e.Acquire(brief(t), "x")
	require.ErrorContains(t, err, "etcdgate: create coppice/leases:x: etcdserver: permission denied")
	_, err = e.Holder(brief(t), "x")
	require.ErrorContains(t, err, "permission denied")
	require.Zero(t, leases(t, c.client(t, as("root"))), "it has left a lease behind")
}

// The permission is taken away while the lease is held. The gate goes on until its lease is
// in danger, and says why.
func TestAPermissionThatIsTakenAway(t *testing.T) {
	c, as := startWithAuth(t)
	root := c.client(t, as("root"))
	p := startProcess(t, New(newLine(t, c.first).client(t, as("shop")), Spec{TTL: 2 * time.Second}), "x")
	led := await(t, p.leads)
	_, err := root.UserRevokeRole(brief(t), "shop", "shop")
	require.NoError(t, err)
	cause := await(t, p.stops)
	require.ErrorIs(t, cause, gate.ErrLost)
	require.ErrorContains(t, cause, "permission denied")
	_, err = root.UserGrantRole(brief(t), "shop", "shop")
	require.NoError(t, err)
	next := await(t, p.leads)
	before, _ := gate.Token(led)
	after, _ := gate.Token(next)
	require.Greater(t, after, before)
}
