package partition

import (
	"context"
	"errors"
	"slices"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Resize changes the number of children to n, and returns when that is done. See the package
// text for the order.
//
//   - If a new child cannot start, or ctx ends before, Resize removes the new ones again and
//     returns the error. The number is as before.
//   - If a child that is removed was abandoned or returned an error, or ctx ends before it has
//     stopped, Resize returns that, and the number is n. Until the child has stopped, a Resize
//     that would add it again returns supervisor.ErrDuplicate.
//   - While the owners do not run, or are being stopped, n is the number of the next run.
//
// Several calls are done one after another. Do not call Resize in one of the children that it
// removes: it would wait for its caller.
func (o *Owners[T]) Resize(ctx context.Context, n int) error {
	if ctx == nil {
		return errors.New("partition: nil context")
	}
	if problem := problemOf(n); problem != "" {
		return errors.New("partition: " + problem)
	}
	if err := o.spec.Validate(); err != nil {
		return err
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for {
		l, r := o.now()
		if r != nil {
			select {
			case <-r.up:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		have := len(l.offers)
		switch {
		case n == have:
			return nil
		case n < have:
			if o.replace(l, r, n) {
				return r.remove(ctx, n, have)
			}
		default:
			if err := o.add(ctx, r, n, have); err != nil {
				return err
			}
			if o.replace(l, r, n) {
				return nil
			}
		}
		// Another run has begun meanwhile: the new children have ended with their supervisor.
	}
}

func (o *Owners[T]) now() (*layout[T], *run) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.layout.Load(), o.current
}

// replace makes the layout for n children, unless another run has begun. It reports whether
// it did.
func (o *Owners[T]) replace(l *layout[T], r *run, n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current != r {
		return false
	}
	o.setNumber(n)
	l.replace() // after the new one is there, which those that wait go on with
	return true
}

// add starts children in a run. If the supervisor is being stopped, they are for the next run.
func (o *Owners[T]) add(ctx context.Context, r *run, n, have int) error {
	if r == nil {
		return nil
	}
	err := r.sup.StartChild(ctx, o.children(r, o.offersFor(n), have)...)
	if errors.Is(err, supervisor.ErrNotRunning) {
		return nil
	}
	return err
}

// offersFor returns the offers for n children.
func (o *Owners[T]) offersFor(n int) []*child.Ref[T] {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.offers) < n {
		o.offers = append(o.offers, new(child.Ref[T]))
	}
	return o.offers[:n:n]
}

// remove stops and removes the children from index n up to have, the last one first.
func (r *run) remove(ctx context.Context, n, have int) error {
	if r == nil {
		return nil
	}
	names := slices.Clone(r.names[n:have])
	slices.Reverse(names)
	err := r.sup.RemoveChild(ctx, names...)
	if errors.Is(err, supervisor.ErrNotRunning) {
		return nil // all of them are being stopped
	}
	return err
}
