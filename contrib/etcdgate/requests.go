package etcdgate

import (
	"context"
	"errors"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coppice-go/coppice/child/gate"
)

// keepAlive renews a lease of etcd. If that has ended, the error wraps
// rpctypes.ErrLeaseNotFound. While etcd cannot be reached, it tries again, until ctx ends or
// it has waited for long enough. KeepAliveOnce of the client does so without a pause.
func (e *Elector) keepAlive(ctx context.Context, key string, id clientv3.LeaseID) (gate.Term, error) {
	request, cancel := context.WithTimeout(ctx, e.patience())
	defer cancel()
	for {
		sent := gate.Now()
		ttl, err := e.keepAliveOnce(request, id)
		if err == nil {
			return gate.Term{Sent: sent, TTL: ttl}, nil
		}
		code := status.Code(err)
		if code == codes.Unavailable || code == codes.Internal {
			e.pause(request)
		}
		if code != codes.Unavailable && code != codes.Internal || request.Err() != nil {
			return gate.Term{}, e.failed(ctx, "renew the lease of", key, clientv3.ContextError(request, err))
		}
	}
}

// pause waits before something that has failed is tried again.
func (e *Elector) pause(ctx context.Context) {
	timer := time.NewTimer(e.spec.TTL / 100)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepAliveOnce makes one request, by a stream of its own.
func (e *Elector) keepAliveOnce(ctx context.Context, id clientv3.LeaseID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := clientv3.RetryLeaseClient(e.client).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return 0, err
	}
	resp, err := stream.Recv()
	switch {
	case err != nil:
		return 0, err
	case resp.TTL <= 0:
		return 0, rpctypes.ErrLeaseNotFound
	}
	return time.Duration(resp.TTL) * time.Second, nil
}

// revoke revokes a lease of etcd, and deletes its key. If the lease has ended, it does
// nothing.
func (e *Elector) revoke(ctx context.Context, key string, id clientv3.LeaseID) error {
	_, err := e.client.Revoke(ctx, id)
	if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return e.failed(ctx, "revoke the lease of", key, err)
}

// watch watches a key on a goroutine of its own. The channel receives true when the key has
// changed after that revision, or false when the watch has ended for another reason: ctx, a
// compaction, no leader of etcd. The goroutine ends soon after ctx.
func (e *Elector) watch(ctx context.Context, key string, revision int64) <-chan bool {
	changed := make(chan bool, 1)
	go func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		// Watch waits for etcd, and its channel may be closed some time after ctx ends.
		responses := e.client.Watch(clientv3.WithRequireLeader(ctx), key, clientv3.WithRev(revision+1))
		for {
			select {
			case r, ok := <-responses:
				if ok && r.Err() == nil && len(r.Events) == 0 {
					continue
				}
				changed <- len(r.Events) > 0
				return
			case <-ctx.Done():
				changed <- false
				return
			}
		}
	}()
	return changed
}
