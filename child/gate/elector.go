package gate

import (
	"context"
	"time"
)

// An Elector is an engine that gives a lease to one member at a time: a database, a store
// of keys. A Gate calls it from many goroutines. Package gatetest checks one.
//
// All calls must return soon after their ctx has ended. A run of a gate does not end before
// they have.
type Elector interface {
	// TTL returns the term that bids ask for: the time after which another member
	// may take a lease that is not renewed. Zero means that a lease does not end by itself.
	TTL() time.Duration

	// Acquire waits until it holds the lease with that name, and returns it. Each call is a
	// contender of its own, also within one process.
	//
	// When ctx ends, or a request fails, Acquire returns an error, and no lease remains:
	// one that was won at the last moment, or whose answer was lost, is released or ends
	// with its term. It must not wait for an engine that does not answer: the gate
	// calls it again.
	//
	// An Acquire that finds out who holds the lease should report that with Seen.
	Acquire(ctx context.Context, name string) (Lease, error)

	// Holder returns who holds the lease with that name, as far as the engine knows. If
	// nobody does, it returns the zero Holder, with the last token if that is known.
	Holder(ctx context.Context, name string) (Holder, error)
}

// A Lease is what an Elector gives to one member at a time. A Gate calls Renew and Release
// one at a time, and Release last. Token and Lost may be called from any goroutine.
type Lease interface {
	// Token returns the fencing token of the lease. Each lease with a name has a higher
	// token than all before it, also if its row or key was deleted meanwhile. A renewal
	// does not change it.
	Token() int64

	// Term returns when the last request that was answered with the lease, or with its
	// renewal, was sent, and the term that was granted. The engine gives the lease to
	// nobody else before this term has passed since then.
	Term() Term

	// Renew begins another term. An error that wraps ErrLost says that the lease has ended,
	// or is another's. After any other error it is not known whether the term has begun.
	Renew(ctx context.Context) error

	// Lost returns a channel that is closed when the engine says that the lease has ended.
	// It is nil if the engine reports that to Renew only.
	Lost() <-chan struct{}

	// Release gives the lease back, so that another member gets it at once. If the lease
	// has ended, it does nothing, even if another member holds it now.
	Release(ctx context.Context) error
}

// A Term is how long a lease lasts.
type Term struct {
	Sent Moment        // when the request was sent
	TTL  time.Duration // that the engine has granted; zero: it does not end by itself
}

// A Holder is a member that holds a lease, as its engine reports it.
type Holder struct {
	ID    string    // of the member; empty: nobody holds the lease
	Token int64     // of its lease, or of the last one
	Since time.Time // when the lease was acquired, by the engine's clock; zero: not known
}

// Seen reports to the gate that called Acquire who holds the lease. ctx is that of Acquire.
// With any other context it does nothing.
func Seen(ctx context.Context, h Holder) {
	if f, ok := ctx.Value(seenKey{}).(func(Holder)); ok {
		f(h)
	}
}

type seenKey struct{}

// watchHolder returns a context with which Seen calls f.
func watchHolder(ctx context.Context, f func(Holder)) context.Context {
	return context.WithValue(ctx, seenKey{}, f)
}
