package partition

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
)

// Owners are N like children, each the owner of a part of the keys. Make them with New and
// set child.Spec.Run to their Run method. All methods may be called from any goroutine.
type Owners[T any] struct {
	spec   Spec[T]
	layout atomic.Pointer[layout[T]]
	turn   chan struct{} // held by the Resize that is in progress

	mu      sync.Mutex
	offers  []*child.Ref[T] // also of children that were removed
	current *run            // nil: they do not run
}

// A layout says which child owns which keys. It does not change: Resize makes another one.
type layout[T any] struct {
	offers   []*child.Ref[T]
	replaced context.Context // ends when there is another layout
	replace  context.CancelFunc
}

// New makes Owners. It cannot fail: Run returns the problems of the spec.
func New[T any](spec Spec[T]) *Owners[T] {
	o := &Owners[T]{spec: spec, turn: make(chan struct{}, 1)}
	o.setNumber(spec.number())
	return o
}

// setNumber makes the layout for n children. o.mu must be held, except in New.
func (o *Owners[T]) setNumber(n int) {
	for len(o.offers) < n {
		o.offers = append(o.offers, new(child.Ref[T]))
	}
	l := &layout[T]{offers: o.offers[:n:n]}
	l.replaced, l.replace = context.WithCancel(context.Background())
	o.layout.Store(l)
}

// N returns the number of children.
func (o *Owners[T]) N() int { return len(o.layout.Load().offers) }

// Index returns the index of the child that owns the key.
func (o *Owners[T]) Index(key string) int { return indexOf(key, o.N()) }

// For returns the value that the owner of the key offers. If that is down, For waits for it
// as child.Ref.Get does: until ctx ends, and then it returns the cause of ctx. If the owner
// is gone for good, For returns an error that wraps child.ErrGone and begins with its path.
// If Resize moves the key while For waits, For goes on with the new owner.
func (o *Owners[T]) For(ctx context.Context, key string) (T, error) {
	if ctx == nil {
		var none T
		return none, errors.New("partition: nil context")
	}
	for {
		l := o.layout.Load()
		offer := l.offers[indexOf(key, len(l.offers))]
		v, ok := offer.Load()
		var err error
		if !ok {
			v, err = l.wait(ctx, offer)
		}
		if l.replaced.Err() == nil {
			return v, err
		}
	}
}

// wait waits for the value of an owner, at most as long as the layout is valid.
func (l *layout[T]) wait(ctx context.Context, offer *child.Ref[T]) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.replaced, func() { cancel(nil) })()
	return offer.Get(ctx)
}

// All returns the values of all owners that are up, by their index. It does not wait.
func (o *Owners[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i, offer := range o.layout.Load().offers {
			if v, ok := offer.Load(); ok && !yield(i, v) {
				return
			}
		}
	}
}
