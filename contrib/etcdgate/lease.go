package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// A lease is the key that a bid has created.
type lease struct {
	elector *Elector
	key     string
	id      clientv3.LeaseID
	token   int64
	term    gate.Term

	lost     chan struct{}
	loseOnce sync.Once
	unwatch  context.CancelFunc
	expiry   *time.Timer   // calls unwatch when the term has passed
	watched  chan struct{} // closed when the watch has ended
}

func newLease(b *bid, token int64) *lease {
	l := &lease{
		elector: b.elector, key: b.key, id: b.id, token: token, term: b.term,
		lost: make(chan struct{}), watched: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(b.elector.client.Ctx())
	l.unwatch, l.expiry = cancel, time.AfterFunc(l.term.TTL, cancel)
	go l.watch(ctx)
	return l
}

// Token returns the revision in which the key was created.
func (l *lease) Token() int64 { return l.token }

// Term returns the last term.
func (l *lease) Term() gate.Term { return l.term }

// Lost returns a channel that is closed when the key was seen to be deleted, or another's.
func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) lose() { l.loseOnce.Do(func() { close(l.lost) }) }

// ours reports whether the key is the one that was created, and attached to the lease.
func (l *lease) ours(kv *mvccpb.KeyValue) bool {
	return kv != nil && kv.CreateRevision == l.token && kv.Lease == int64(l.id)
}

// Renew renews the lease of etcd, and looks whether the key is still ours: somebody may have
// deleted it.
func (l *lease) Renew(ctx context.Context) error {
	term, err := l.elector.keepAlive(ctx, l.key, l.id)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		l.lose()
		return fmt.Errorf("%w: its lease in etcd has ended, or was revoked", gate.ErrLost)
	}
	if err != nil {
		return err
	}
	kv, _, err := l.elector.look(ctx, l.key)
	if err != nil {
		return err
	}
	if !l.ours(kv) {
		l.lose()
		return fmt.Errorf("%w: %s", gate.ErrLost, whose(kv))
	}
	l.term = term
	l.expiry.Reset(term.TTL)
	return nil
}

// whose says whose a key is that is not ours.
func whose(kv *mvccpb.KeyValue) string {
	switch {
	case kv == nil:
		return "its key was deleted"
	case kv.Lease == 0:
		return "its key was put by hand"
	}
	h := asHolder(kv)
	return fmt.Sprintf("%s holds it with token %d", h.ID, h.Token)
}

// Release revokes the lease of etcd, so that the key is deleted, if it is still ours.
func (l *lease) Release(ctx context.Context) error {
	l.unwatch()
	l.expiry.Stop()
	err := l.elector.revoke(ctx, l.key, l.id)
	<-l.watched
	return err
}

// watch closes lost when the key is not ours any more. It ends with ctx, which ends with the
// term, or when the client is closed.
func (l *lease) watch(ctx context.Context) {
	defer close(l.watched)
	defer l.unwatch()
	e, revision := l.elector, l.token
	for ctx.Err() == nil {
		changed := false
		e.watch(ctx, l.key, revision, func(*clientv3.Event) (more bool) { changed = true; return false })
		if !changed {
			e.pause(ctx)
		}
		kv, now, err := e.look(ctx, l.key)
		switch {
		case err != nil:
			e.pause(ctx)
		case !l.ours(kv):
			l.lose()
			return
		default:
			revision = now
		}
	}
}
