package etcdgate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/coppice-go/coppice/child/gate"
)

// A Spec says how leases are kept. The zero value of every field is its default.
type Spec struct {
	// TTL is the term of a lease. It is rounded up to whole seconds. Zero means 15 s.
	TTL time.Duration

	// Prefix is put in front of the name of a lease. Together they are its key. Empty means
	// DefaultPrefix.
	Prefix string

	// Member is what Holder says of this process, and the value of the key. Empty means the
	// name of the host and the number of the process. It is cut to 200 bytes.
	Member string
}

// DefaultPrefix is the prefix of keys.
const DefaultPrefix = "coppice/leases:"

const (
	defaultTTL = 15 * time.Second
	mostTTL    = 9_000_000_000 * time.Second // of etcd
	mostMember = 200
)

// An Elector gives leases by etcd. It is a gate.Elector. It may be shared by all gates of a
// process.
type Elector struct {
	client *clientv3.Client
	spec   Spec
	fault  error
}

var _ gate.Elector = (*Elector)(nil)

// New returns an Elector. It cannot fail: Acquire returns the problems of the spec. The
// client must stay open until the gates have stopped.
func New(client *clientv3.Client, spec Spec) *Elector {
	if spec.TTL == 0 {
		spec.TTL = defaultTTL
	}
	if spec.Prefix == "" {
		spec.Prefix = DefaultPrefix
	}
	if spec.Member == "" {
		host, _ := os.Hostname()
		spec.Member = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	spec.Member = memberText(spec.Member)
	fault := problems(client, spec)
	if fault == nil {
		spec.TTL = time.Duration(seconds(spec.TTL)) * time.Second
	}
	return &Elector{client: client, spec: spec, fault: fault}
}

func problems(client *clientv3.Client, spec Spec) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("etcdgate: "+format, args...)) }
	if client == nil {
		fault("the client is nil")
	}
	if spec.TTL < 0 {
		fault("Spec.TTL: negative: %v", spec.TTL)
	}
	if spec.TTL > mostTTL {
		fault("Spec.TTL: longer than %v: %v", mostTTL, spec.TTL)
	}
	return errors.Join(faults...)
}

// seconds rounds up.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

// memberText is what fits of the name of a member. The value of a key may be anything that
// somebody has put there by hand.
func memberText(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), mostMember)], "")
}

// TTL returns the term that bids ask for.
func (e *Elector) TTL() time.Duration { return e.spec.TTL }

// lookEvery is how often a member that stands by looks. It differs a little each time, so
// that a hundred members do not look at the same moment.
func (e *Elector) lookEvery() time.Duration {
	d := e.spec.TTL / 6
	return d - rand.N(d/10)
}

// Holder returns who holds the lease, by one request. It does not know since when, nor the
// token of the last lease if nobody holds it.
func (e *Elector) Holder(ctx context.Context, name string) (gate.Holder, error) {
	if e.fault != nil {
		return gate.Holder{}, e.fault
	}
	key, _, err := e.look(ctx, e.spec.Prefix+name)
	return asHolder(key), err
}

func asHolder(kv *mvccpb.KeyValue) gate.Holder {
	if kv == nil {
		return gate.Holder{}
	}
	h := gate.Holder{ID: memberText(string(kv.Value)), Token: kv.CreateRevision}
	if h.ID == "" { // put there by hand
		h.ID = "an unknown member"
	}
	return h
}

// Acquire waits until it has created the key. When ctx ends, or a request fails, it revokes
// its lease, and the key with it. That is final: a transaction that arrives later finds no
// lease to attach the key to. A lease whose grant was not answered has no key, and ends with
// its term.
//
// A key that somebody has put by hand, without a lease, is an error, because it never ends.
func (e *Elector) Acquire(ctx context.Context, name string) (gate.Lease, error) {
	if e.fault != nil {
		return nil, e.fault
	}
	b := &bid{elector: e, key: e.spec.Prefix + name}
	defer b.unwatch()
	l, err := b.win(ctx)
	if err != nil {
		return nil, errors.Join(err, b.undo(ctx))
	}
	return l, nil
}
