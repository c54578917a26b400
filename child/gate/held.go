package gate

import (
	"context"
	"iter"
)

// A holding is a lease in a context.
type holding struct {
	name  string
	lease Lease
	outer *holding // of a gate further up, or nil
}

type holdingKey struct{}

func withLease(ctx context.Context, name string, lease Lease) context.Context {
	outer, _ := ctx.Value(holdingKey{}).(*holding)
	return context.WithValue(ctx, holdingKey{}, &holding{name, lease, outer})
}

// Token returns the fencing token of the lease under which ctx runs. It reports false if
// ctx does not belong to anything that a gate guards. Behind several gates it is the token
// of the innermost one.
//
// A token does not change while a lease is held. A ctx of an earlier lease keeps its
// token: that is what lets a store refuse it.
func Token(ctx context.Context) (token int64, ok bool) {
	for _, lease := range Leases(ctx) {
		return lease.Token(), true
	}
	return 0, false
}

// Leases returns the names and leases of the gates that ctx runs behind, the innermost
// first. The Guard of an engine finds its own lease there. Do not renew or release them.
func Leases(ctx context.Context) iter.Seq2[string, Lease] {
	return func(yield func(string, Lease) bool) {
		h, _ := ctx.Value(holdingKey{}).(*holding)
		for ; h != nil; h = h.outer {
			if !yield(h.name, h.lease) {
				return
			}
		}
	}
}
