package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// patience is the longest time that a request waits for its answer, unless its context ends
// before.
func (e *Elector) patience() time.Duration { return e.spec.TTL / 4 }

// brief is how long a call may go on after its context has ended.
func (e *Elector) brief() time.Duration { return min(e.spec.TTL/10, time.Second) }

// request makes a request. Its error says what it was for.
func (e *Elector) request(ctx context.Context, what, key string, do func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	err := do(limited)
	switch {
	case err == nil:
		return nil
	case limited.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("etcdgate: %s %s: etcd has not answered within %v: %w", what, key, e.patience(), err)
	}
	return fmt.Errorf("etcdgate: %s %s: %w", what, key, err)
}

// look reads a key, which is nil if it does not exist, and the revision of etcd.
func (e *Elector) look(ctx context.Context, key string) (kv *mvccpb.KeyValue, revision int64, err error) {
	err = e.request(ctx, "look at", key, func(ctx context.Context) error {
		resp, err := e.client.Get(ctx, key)
		if err != nil {
			return err
		}
		if len(resp.Kvs) > 0 {
			kv = resp.Kvs[0]
		}
		revision = resp.Header.Revision
		return nil
	})
	return kv, revision, err
}

// keepAlive renews a lease of etcd. If that has ended, the error wraps
// rpctypes.ErrLeaseNotFound.
func (e *Elector) keepAlive(ctx context.Context, key string, id clientv3.LeaseID) (term gate.Term, err error) {
	sent := gate.Now()
	err = e.request(ctx, "renew the lease of", key, func(ctx context.Context) error {
		resp, err := e.client.KeepAliveOnce(ctx, id)
		if err != nil {
			return err
		}
		term = gate.Term{Sent: sent, TTL: time.Duration(resp.TTL) * time.Second}
		return nil
	})
	return term, err
}

// revoke revokes a lease of etcd, and deletes its key. If the lease has ended, it does
// nothing.
func (e *Elector) revoke(ctx context.Context, key string, id clientv3.LeaseID) error {
	return e.request(ctx, "revoke the lease of", key, func(ctx context.Context) error {
		_, err := e.client.Revoke(ctx, id)
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return nil
		}
		return err
	})
}

// watch calls see with the last event of each change of a key after that revision. It
// returns when see returns false, when ctx ends, or when etcd ends the watch: because of a
// compaction, or because it has no leader.
func (e *Elector) watch(ctx context.Context, key string, revision int64, see func(last *clientv3.Event) (more bool)) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	responses := e.client.Watch(ctx, key, clientv3.WithRev(revision+1))
	for {
		select {
		case r, ok := <-responses:
			if n := len(r.Events); n > 0 && !see(r.Events[n-1]) || !ok || r.Err() != nil {
				return
			}
		case <-ctx.Done(): // the channel may be closed much later
			return
		}
	}
}

// pause waits before something that has failed is tried again.
func (e *Elector) pause(ctx context.Context) {
	timer := time.NewTimer(min(e.spec.TTL/100, 200*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
