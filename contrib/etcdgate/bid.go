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

// A bid is a member that stands by. It has a lease of etcd, without a key.
type bid struct {
	elector *Elector
	key     string
	id      clientv3.LeaseID // zero: it has none
	term    gate.Term
	sent    time.Time // when the request for the term was sent
	watch   *watch    // nil: none
}

// A watch watches for the deletion of a key, on a goroutine of its own.
type watch struct {
	cancel  context.CancelFunc
	deleted chan struct{} // receives when the key was deleted
	ended   chan struct{} // closed when the watch has ended
}

// win returns when the bid has won.
func (b *bid) win(ctx context.Context) (*lease, error) {
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := b.refresh(ctx); err != nil {
			return nil, err
		}
		token, held, revision, err := b.create(ctx)
		switch {
		case errors.Is(err, rpctypes.ErrLeaseNotFound): // revoked by an operator, or this process was paused
			b.id = 0
			continue
		case err != nil:
			return nil, err
		case token > 0:
			return newLease(b, token), nil
		}
		if err := b.standBy(ctx, held, revision); err != nil {
			return nil, err
		}
	}
}

// refresh sees to it that the bid has a lease, and that it wins with most of a term ahead. It
// has to renew the lease if the key has changed so often that standBy did not.
func (b *bid) refresh(ctx context.Context) error {
	switch {
	case b.id == 0:
		return b.grant(ctx)
	case time.Since(b.sent) > b.elector.spec.TTL/4:
		return b.renew(ctx)
	}
	return nil
}

// grant asks for a lease of etcd. The end of ctx does not cut that off at once, because then
// nobody would know the lease that etcd may have granted.
func (b *bid) grant(ctx context.Context) error {
	e := b.elector
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(e.brief(), cancel) })()
	sent, at := gate.Now(), time.Now()
	return e.request(longer, "ask for a lease for", b.key, func(ctx context.Context) error {
		resp, err := e.client.Grant(ctx, seconds(e.spec.TTL))
		if err != nil {
			return err
		}
		b.id, b.sent, b.term = resp.ID, at, gate.Term{Sent: sent, TTL: time.Duration(resp.TTL) * time.Second}
		return nil
	})
}

// create creates the key. It returns its token, or, if the key exists, what it is and the
// revision of etcd.
func (b *bid) create(ctx context.Context) (token int64, held *mvccpb.KeyValue, revision int64, err error) {
	e := b.elector
	err = e.request(ctx, "create", b.key, func(ctx context.Context) error {
		resp, err := e.client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(b.key), "=", 0)).
			Then(clientv3.OpPut(b.key, e.spec.Member, clientv3.WithLease(b.id))).
			Else(clientv3.OpGet(b.key)).
			Commit()
		switch {
		case err != nil:
			return err
		case resp.Succeeded:
			token = resp.Header.Revision
		default:
			held, revision = resp.Responses[0].GetResponseRange().Kvs[0], resp.Header.Revision
		}
		return nil
	})
	return token, held, revision, err
}

// standBy returns when the key may be free. Until then it renews the lease of the bid, and
// looks at the key, which was read in that revision.
func (b *bid) standBy(ctx context.Context, held *mvccpb.KeyValue, revision int64) error {
	e := b.elector
	for {
		if held.Lease == 0 {
			return fmt.Errorf("etcdgate: %s has no lease, so it was put by hand and never ends: delete it", b.key)
		}
		gate.Seen(ctx, asHolder(held))
		if b.watch == nil {
			b.watch = e.watchForDeletion(ctx, b.key, revision)
		}
		timer := time.NewTimer(e.lookEvery())
		select {
		case <-b.watch.deleted:
			timer.Stop()
			return nil
		case <-b.watch.ended:
			timer.Stop()
			b.unwatch()
			e.pause(ctx)
		case <-timer.C:
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := b.renew(ctx); err != nil {
			return err
		}
		var err error
		if held, revision, err = e.look(ctx, b.key); held == nil || err != nil {
			return err
		}
	}
}

// renew renews the lease of the bid. If that has ended, it needs another one.
func (b *bid) renew(ctx context.Context) error {
	at := time.Now()
	term, err := b.elector.keepAlive(ctx, b.key, b.id)
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return b.grant(ctx)
	case err != nil:
		return err
	}
	b.sent, b.term = at, term
	return nil
}

// undo revokes the lease of the bid, and the key with it, if that was created by a
// transaction whose answer was lost.
func (b *bid) undo(ctx context.Context) error {
	if b.id == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.elector.brief())
	defer cancel()
	return b.elector.revoke(ctx, b.key, b.id)
}

// watchForDeletion starts a watch. It ends with ctx, or when etcd ends it.
func (e *Elector) watchForDeletion(ctx context.Context, key string, revision int64) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel, make(chan struct{}, 1), make(chan struct{})}
	go func() {
		defer close(w.ended)
		e.watch(ctx, key, revision, func(last *clientv3.Event) (more bool) {
			if last.Type == clientv3.EventTypeDelete {
				select {
				case w.deleted <- struct{}{}:
				default: // it has not been received yet
				}
			}
			return true
		})
	}()
	return w
}

// unwatch ends the watch.
func (b *bid) unwatch() {
	if b.watch != nil {
		b.watch.cancel()
		<-b.watch.ended
		b.watch = nil
	}
}
