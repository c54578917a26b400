package etcdgate

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/supervisor"
)

// TestMain fails if goroutines of this package are left.
func TestMain(m *testing.M) {
	code := m.Run()
	left := ""
	for range 500 { // up to 5 s
		if left = goroutinesLeft(); left == "" {
			os.Exit(code)
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("goroutines that have not ended:\n" + left)
	os.Exit(max(code, 1))
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	all := make([]byte, 16<<20)
	return string(all[:runtime.Stack(all, true)])
}

func goroutinesLeft() string {
	for _, s := range strings.Split(stacks(), "\n\n")[1:] { // the first one is our own
		if strings.Contains(s, "contrib/etcdgate.") {
			return s
		}
	}
	return ""
}

// acquire returns a lease that must be won soon.
func acquire(t testing.TB, e *Elector, name string) *lease {
	t.Helper()
	l, err := e.Acquire(brief(t), name)
	require.NoError(t, err)
	t.Cleanup(l.(*lease).unwatch)
	return l.(*lease)
}

// A try is an Acquire under way.
type try struct {
	cancel context.CancelFunc
	done   chan struct{}
	lease  gate.Lease
	err    error
}

func startTry(t testing.TB, e *Elector, name string) *try {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	b := &try{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		b.lease, b.err = e.Acquire(ctx, name)
	}()
	t.Cleanup(func() { cancel(); <-b.done })
	return b
}

func (b *try) won(t testing.TB) *lease {
	t.Helper()
	await(t, b.done)
	require.NoError(t, b.err)
	t.Cleanup(b.lease.(*lease).unwatch)
	return b.lease.(*lease)
}

// await returns what is received, which must be soon.
func await[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		require.Fail(t, "it did not happen within 30 s")
	}
	return v
}

// never fails the test if something is received within a time of etcd, which is real.
func never[T any](t testing.TB, within time.Duration, what string, from ...<-chan T) {
	t.Helper()
	over := time.NewTimer(within)
	defer over.Stop()
	happened := make(chan struct{}, len(from))
	var all sync.WaitGroup
	defer all.Wait()
	end := make(chan struct{})
	defer close(end)
	for _, c := range from {
		all.Go(func() {
			select {
			case <-c:
				happened <- struct{}{}
			case <-end:
			}
		})
	}
	select {
	case <-happened:
		require.Fail(t, what)
	case <-over.C:
	}
}

// keepRenewing renews a lease twice a second for a time.
func keepRenewing(t testing.TB, l *lease, d time.Duration) {
	t.Helper()
	tick, over := time.NewTicker(time.Second/2), time.NewTimer(d)
	defer tick.Stop()
	defer over.Stop()
	for {
		require.NoError(t, l.Renew(brief(t)))
		select {
		case <-tick.C:
		case <-over.C:
			return
		}
	}
}

// leases returns how many leases of etcd exist.
func leases(t testing.TB, c *clientv3.Client) int {
	t.Helper()
	resp, err := c.Leases(brief(t))
	require.NoError(t, err)
	return len(resp.Leases)
}

// awaitLeases waits until that many leases of etcd exist, because bids have asked for theirs.
func awaitLeases(t testing.TB, c *clientv3.Client, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return leases(t, c) == n }, 30*time.Second, 5*time.Millisecond)
}

// A process is a root with one gate. What it guards reports when it runs.
type process struct {
	root  *supervisor.Supervisor
	gate  *gate.Gate
	leads chan context.Context // receives the context of each run
	stops chan error           // receives the cause with which each run was stopped
	ended chan time.Time       // receives when each run has returned
}

func startProcess(t testing.TB, e *Elector, name string, change ...func(*gate.Spec)) *process {
	p := &process{leads: make(chan context.Context, 100), stops: make(chan error, 100), ended: make(chan time.Time, 100)}
	spec := gate.Spec{Name: name, Elector: e, Run: p.guarded}
	for _, f := range change {
		f(&spec)
	}
	p.gate = gate.New(spec)
	p.root = supervisor.New(supervisor.Spec{
		Name:     "process",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "gate", Run: p.gate.Run}},
	})
	require.NoError(t, p.root.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() { _ = p.root.Stop(context.Background()) })
	return p
}

func (p *process) guarded(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	p.leads <- ctx
	<-ctx.Done()
	p.stops <- context.Cause(ctx)
	p.ended <- time.Now()
	return nil
}
