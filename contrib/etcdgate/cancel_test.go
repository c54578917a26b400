package etcdgate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child/gate"
)

// Whenever an Acquire is cancelled, it leaves no key and no lease of etcd: before its first
// request, during each one, while it stands by, and when it has just won.
func TestAnAcquireThatIsCancelledLeavesNoKeyAndNoLease(t *testing.T) {
	c := startCluster(t, 1)
	admin := c.client(t)
	for _, held := range []bool{false, true} {
		name, others := "free", 0
		e := New(newLine(t, c.first).client(t), Spec{TTL: time.Minute})
		if held {
			name, others = "held", 1
			holder := acquire(t, New(admin, Spec{TTL: time.Minute}), name)
			defer func() { require.NoError(t, holder.Release(brief(t))) }()
		}
		began := time.Now()
		l, err := e.Acquire(brief(t), name+" other") // how long an Acquire takes
		require.NoError(t, err)
		took := time.Since(began)
		require.NoError(t, l.Release(brief(t)))
		won := 0
		for i := range 200 {
			ctx, cancel := context.WithTimeout(context.Background(), took*time.Duration(i)/100)
			l, err := e.Acquire(ctx, name)
			if cancel(); err == nil {
				won++
				require.NoError(t, l.Release(brief(t)))
			} else {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			require.Equal(t, others, leases(t, admin), "leases of etcd, round %d", i)
		}
		require.Equal(t, held, won == 0, "%d of 200 won", won)
		t.Logf("held: %v; an Acquire takes %v; %d of 200 won", held, took, won)
	}
	resp, err := admin.Get(brief(t), DefaultPrefix+"free")
	require.NoError(t, err)
	require.Empty(t, resp.Kvs)
}

// The reply to the transaction that creates the key is lost. The lease is revoked, and the
// key with it, long before its term has passed.
func TestAKeyWhoseCreationWasNotAnsweredIsDeleted(t *testing.T) {
	c := startCluster(t, 1)
	admin, line := c.client(t), newLine(t, c.first)
	e := New(line.client(t), Spec{TTL: time.Minute})
	b := &bid{elector: e, key: DefaultPrefix + "x"}
	require.NoError(t, b.grant(brief(t)))
	line.LoseReplies(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, _, _, err := b.create(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	h, err := New(admin, Spec{}).Holder(brief(t), "x")
	require.NoError(t, err)
	require.NotZero(t, h.Token, "etcd has created the key")
	require.NoError(t, b.undo(ctx))
	require.Zero(t, leases(t, admin))
	acquire(t, New(admin, Spec{TTL: time.Minute}), "x")
}

// A transaction that arrives after its bid has given up creates nothing.
func TestACreationThatArrivesLateCreatesNothing(t *testing.T) {
	c := startCluster(t, 1)
	e := New(c.client(t), Spec{TTL: time.Minute})
	b := &bid{elector: e, key: DefaultPrefix + "x"}
	require.NoError(t, b.grant(brief(t)))
	require.NoError(t, b.undo(brief(t)))
	_, _, _, err := b.create(brief(t))
	require.Error(t, err)
	h, err := e.Holder(brief(t), "x")
	require.NoError(t, err)
	require.Equal(t, gate.Holder{}, h)
}

// The calls of a member that is cut off return within a second or two, whatever the TTL.
func TestAStopDoesNotWaitForAnEtcdThatDoesNotAnswer(t *testing.T) {
	c := startCluster(t, 1)
	line := newLine(t, c.first)
	e := New(line.client(t), Spec{TTL: time.Hour})
	holder := acquire(t, New(c.client(t), Spec{TTL: time.Hour}), "held")
	standby := startTry(t, e, "held")
	awaitLeases(t, c.client(t), 2)
	line.Cut(true)
	asking := startTry(t, e, "free")
	for _, b := range []*try{standby, asking} {
		b.cancel()
		began := time.Now()
		await(t, b.done)
		require.ErrorIs(t, b.err, context.Canceled)
		require.Less(t, time.Since(began), 5*time.Second)
	}
	line.Cut(false)
	require.NoError(t, holder.Release(brief(t)))
}

func TestAnAcquireWithAContextThatHasEndedAsksNothing(t *testing.T) {
	c := startCluster(t, 1)
	reason := errors.New("over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	_, err := New(c.client(t), Spec{}).Acquire(ctx, "x")
	require.ErrorIs(t, err, reason)
	require.Zero(t, leases(t, c.client(t)))
}
