package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

var _ gate.Sharder = (*Elector)(nil)

// The keys of a group of shards, below its name and a slash. That of a shard is its number:
// the key of a lease with the name of the shard. It is attached to the lease of the member.
const (
	layoutKey  = ":layout"
	membersKey = ":members/"
)

func (e *Elector) root(group string) string { return e.spec.Prefix + group + "/" }

// idOf returns what identifies a member: its lease of etcd.
func idOf(lease clientv3.LeaseID) string { return fmt.Sprintf("%016x", int64(lease)) }

func layoutText(l gate.Layout) string { return fmt.Sprintf("%d %d", l.Shards, l.Version) }

// parseLayout returns the zero Layout for what somebody has put there by hand.
func parseLayout(text string) (l gate.Layout) {
	shards, version, _ := strings.Cut(text, " ")
	var errs [2]error
	l.Shards, errs[0] = strconv.Atoi(shards)
	l.Version, errs[1] = strconv.Atoi(version)
	if errs[0] != nil || errs[1] != nil {
		return gate.Layout{}
	}
	return l
}

// memberValue is the value of a member's key: whether it leaves, and its name.
func memberValue(leaving bool, name string) string {
	if leaving {
		return "leaving " + name
	}
	return "member " + name
}

// A door is what a member that wants to join sees of a group.
type door struct {
	layout   string
	modified int64 // the revision in which the layout was set; zero: never
	members  int64
	revision int64
}

func (e *Elector) door(ctx context.Context, root string) (d door, err error) {
	err = e.request(ctx, "look at", root, func(ctx context.Context) error {
		resp, err := e.client.Txn(ctx).Then(
			clientv3.OpGet(root+layoutKey),
			clientv3.OpGet(root+membersKey, clientv3.WithPrefix(), clientv3.WithCountOnly()),
		).Commit()
		if err != nil {
			return err
		}
		if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			d.layout, d.modified = string(kvs[0].Value), kvs[0].ModRevision
		}
		d.members, d.revision = resp.Responses[1].GetResponseRange().Count, resp.Header.Revision
		return nil
	})
	return d, err
}

// Join makes a new member of a group of shards: a key that is attached to a lease of etcd. If
// there are members with another layout, it watches until they have gone.
func (e *Elector) Join(ctx context.Context, group string, layout gate.Layout) (gate.Membership, error) {
	if e.fault != nil {
		return nil, e.fault
	}
	root := e.root(group)
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		d, err := e.door(ctx, root)
		if err != nil {
			return nil, err
		}
		if d.layout == layoutText(layout) || d.members == 0 {
			m, err := e.join(ctx, group, layout, d)
			if m != nil || err != nil {
				return m, err
			}
			e.pause(ctx)
			continue
		}
		gate.SeenLayout(ctx, parseLayout(d.layout))
		e.awaitChange(ctx, root, d.revision)
	}
}

// join returns nil if the group has changed meanwhile.
func (e *Elector) join(ctx context.Context, group string, layout gate.Layout, d door) (gate.Membership, error) {
	root := e.root(group)
	b := &bid{elector: e, key: root + membersKey}
	if err := b.grant(ctx); err != nil {
		return nil, err
	}
	b.key += idOf(b.id)
	text := layoutText(layout)
	put := clientv3.OpPut(b.key, memberValue(false, e.spec.Member), clientv3.WithLease(b.id))
	same := clientv3.Compare(clientv3.Value(root+layoutKey), "=", text)
	joins, changes := []clientv3.Cmp{same}, []clientv3.Op{put}
	if d.layout != text {
		joins = []clientv3.Cmp{
			clientv3.Compare(clientv3.ModRevision(root+layoutKey), "=", d.modified),
			clientv3.Compare(clientv3.CreateRevision(root+membersKey), "=", 0).WithPrefix(),
		}
		changes = append(changes, clientv3.OpPut(root+layoutKey, text))
	}
	token := int64(0)
	err := e.request(ctx, "create", b.key, func(ctx context.Context) error {
		resp, err := e.client.Txn(ctx).If(joins...).Then(changes...).Commit()
		if err == nil && resp.Succeeded {
			token = resp.Header.Revision
		}
		return err
	})
	if token == 0 {
		return nil, errors.Join(err, b.undo(ctx))
	}
	return &membership{lease: newLease(b, token), group: group, root: root, layout: layout}, nil
}

// awaitChange returns when something below a key has changed after that revision, when it
// is time to look, or when ctx ends. It reports false if it is only time to look.
func (e *Elector) awaitChange(ctx context.Context, root string, revision int64) (changed bool) {
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), e.lookEvery())
	defer cancel()
	responses := e.client.Watch(ctx, root, clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	for {
		select {
		case r, ok := <-responses:
			switch {
			case len(r.Events) > 0 || r.CompactRevision > 0:
				return true
			case !ok || r.Err() != nil:
				e.pause(ctx)
				return false
			}
		case <-ctx.Done(): // the channel may be closed much later
			return false
		}
	}
}

// gather is how long Watch waits after a change, so that many changes at once are read once.
const gather = 30 * time.Millisecond

// Watch watches the keys of a group, and reads all of them after a change. It looks whether etcd answers once per sixth of the
// TTL.
func (e *Elector) Watch(ctx context.Context, group string, after int64) (gate.GroupView, error) {
	if e.fault != nil {
		return gate.GroupView{}, e.fault
	}
	root := e.root(group)
	for after > 0 && !e.awaitChange(ctx, root, after) {
		if err := context.Cause(ctx); err != nil {
			return gate.GroupView{}, err
		}
		if _, _, err := e.look(ctx, root+layoutKey); err != nil {
			return gate.GroupView{}, err
		}
	}
	if after > 0 {
		timer := time.NewTimer(gather)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	var v gate.GroupView
	err := e.request(ctx, "read", root, func(ctx context.Context) error {
		resp, err := e.client.Get(ctx, root, clientv3.WithPrefix())
		if err != nil {
			return err
		}
		v = view(root, resp.Kvs)
		v.Revision = resp.Header.Revision
		return nil
	})
	return v, err
}

// view returns what the keys of a group say. It skips what is no key of a group.
func view(root string, kvs []*mvccpb.KeyValue) (v gate.GroupView) {
	for _, kv := range kvs {
		key := strings.TrimPrefix(string(kv.Key), root)
		if id, ok := strings.CutPrefix(key, membersKey); ok {
			if kv.Lease != 0 && id == idOf(clientv3.LeaseID(kv.Lease)) {
				state, name, _ := strings.Cut(string(kv.Value), " ")
				v.Members = append(v.Members, gate.GroupMember{ID: id, Name: memberText(name), Leaving: state == "leaving"})
			}
			continue
		}
		if key == layoutKey {
			v.Layout = parseLayout(string(kv.Value))
			continue
		}
		if i, err := strconv.Atoi(key); err == nil && strconv.Itoa(i) == key {
			v.Claims = append(v.Claims, gate.ShardClaim{Shard: i, Member: idOf(clientv3.LeaseID(kv.Lease)), Token: kv.CreateRevision})
		}
	}
	return v
}
