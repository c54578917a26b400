package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// A cluster is a real etcd in this process.
type cluster struct {
	configs []*embed.Config
	members []*embed.Etcd   // nil: it is stopped
	closed  []chan struct{} // closed when the member that was stopped has closed its listeners
}

// startCluster starts an etcd with that many members. Its election timeout is short, so that
// it grants terms of a second.
func startCluster(t testing.TB, n int, change ...func(*embed.Config)) *cluster {
	c := &cluster{members: make([]*embed.Etcd, n), closed: make([]chan struct{}, n)}
	var initial []string
	for i := range n {
		config := embed.NewConfig()
		config.Name = fmt.Sprintf("m%d", i)
		config.Dir = t.TempDir()
		config.TickMs, config.ElectionMs = 20, 200
		config.UnsafeNoFsync = true
		config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
		config.ListenClientUrls = []url.URL{freeURL(t)}
		config.ListenPeerUrls = []url.URL{freeURL(t)}
		config.AdvertiseClientUrls, config.AdvertisePeerUrls = config.ListenClientUrls, config.ListenPeerUrls
		for _, f := range change {
			f(config)
		}
		initial = append(initial, config.Name+"="+config.ListenPeerUrls[0].String())
		c.configs = append(c.configs, config)
	}
	for _, config := range c.configs {
		config.InitialCluster = strings.Join(initial, ",")
	}
	t.Cleanup(func() {
		for i := range c.members {
			c.stop(i)
		}
		for i := range c.members {
			<-c.closed[i]
		}
	})
	for i := range n {
		c.launch(t, i)
	}
	for i := range n {
		c.awaitReady(t, i)
	}
	return c
}

func freeURL(t testing.TB) url.URL {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

// launch starts a member, or starts it again.
func (c *cluster) launch(t testing.TB, i int) {
	if c.closed[i] != nil {
		<-c.closed[i]
	}
	var err error
	c.members[i], err = embed.StartEtcd(c.configs[i])
	require.NoError(t, err)
}

func (c *cluster) awaitReady(t testing.TB, i int) {
	select {
	case <-c.members[i].Server.ReadyNotify():
	case err := <-c.members[i].Err():
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.Fail(t, "etcd is not ready")
	}
}

// stop stops a member at once. It hands over to no other. It accepts connections for a few
// seconds more, and answers nothing.
func (c *cluster) stop(i int) {
	e := c.members[i]
	if e == nil {
		return
	}
	c.members[i], c.closed[i] = nil, make(chan struct{})
	e.Server.HardStop()
	go func() {
		defer close(c.closed[i])
		e.Close()
	}()
}

// leader returns which member leads.
func (c *cluster) leader(t testing.TB) int {
	leads := -1
	require.Eventually(t, func() bool {
		for i, e := range c.members {
			if e != nil && e.Server.Leader() == e.Server.MemberID() {
				leads = i
			}
		}
		return leads >= 0
	}, time.Minute, 10*time.Millisecond)
	return leads
}

// address returns where clients connect to a member.
func (c *cluster) address(i int) string { return c.configs[i].ListenClientUrls[0].Host }

// first is the target of a line to the first member.
func (c *cluster) first() string { return c.address(0) }

// client returns a client that no line is in front of, for what an operator does.
func (c *cluster) client(t testing.TB, change ...func(*clientv3.Config)) *clientv3.Client {
	config := clientv3.Config{Logger: zap.NewNop()}
	for i := range c.configs {
		config.Endpoints = append(config.Endpoints, c.configs[i].ListenClientUrls[0].String())
	}
	for _, f := range change {
		f(&config)
	}
	client, err := clientv3.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// brief returns a context for a request that should be answered.
func brief(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), 30*time.Second, errors.New("no answer within 30 s"))
	t.Cleanup(cancel)
	return ctx
}
