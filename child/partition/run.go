package partition

import (
	"errors"
	"sync"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A run is one run of the owners.
type run struct {
	sup   *supervisor.Supervisor
	names []string      // of its children, by their index
	up    chan struct{} // closed when its first child runs, or Run has returned: before, the supervisor refuses requests

	open func() // closes up
}

// Run runs the children under a supervisor of their own until ctx is done. It is ready when
// all of them are. It returns what that supervisor returns, or the problems of the spec
// before it does anything.
func (o *Owners[T]) Run(ctx child.Context) error {
	if ctx == nil {
		return errors.New("partition: nil context")
	}
	if err := o.spec.Validate(); err != nil {
		return err
	}
	r := o.begin()
	defer o.finish(r)
	return r.sup.Run(ctx)
}

// begin makes a run with the number of children of now the current one. A run that was
// abandoned must not keep the next one from running.
func (o *Owners[T]) begin() *run {
	for {
		l := o.layout.Load()
		r := &run{up: make(chan struct{})}
		r.open = sync.OnceFunc(func() { close(r.up) })
		spec := o.spec.Supervisor
		spec.Children = o.children(r, l.offers, 0)
		r.sup = supervisor.New(spec)
		if o.take(l, r) {
			return r
		}
	}
}

func (o *Owners[T]) take(l *layout[T], r *run) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.layout.Load() != l {
		return false
	}
	o.current = r
	return true
}

func (o *Owners[T]) finish(r *run) {
	r.open()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == r {
		o.current = nil
	}
}

// children returns the specs of the children of a run, from the given index on, and notes
// their names.
func (o *Owners[T]) children(r *run, offers []*child.Ref[T], from int) (specs []child.Spec) {
	r.names = r.names[:from]
	for i := from; i < len(offers); i++ {
		spec := o.spec.Child(i, offers[i])
		if own := spec.Run; own != nil {
			spec.Run = func(ctx child.Context) error {
				r.open()
				return own(ctx)
			}
		}
		specs, r.names = append(specs, spec), append(r.names, spec.Name)
	}
	return specs
}
