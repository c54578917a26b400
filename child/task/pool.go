package task

import (
	"context"
	"errors"

	"github.com/coppice-go/coppice/child"
)

// A Pool is a child that runs tasks. Make it with New and set child.Spec.Run to its Run
// method. All methods may be called from any goroutine. A zero Pool has the zero Spec.
type Pool struct {
	spec    Spec
	current child.Ref[*shift]
}

// New makes a Pool. It cannot fail: Run returns the problems of the spec.
func New(spec Spec) *Pool {
	spec.Limit = spec.limit()
	return &Pool{spec: spec}
}

// Run runs the tasks of all callers until ctx is done. Then it ends the contexts of the
// tasks, with the cause of ctx, and returns nil when all of them have returned.
func (p *Pool) Run(ctx child.Context) error {
	if ctx == nil {
		return errors.New("task: nil context")
	}
	if err := p.spec.Validate(); err != nil {
		return err
	}
	s := newShift(p.spec, ctx)
	p.current.Set(ctx, s)
	if err := ctx.Ready(); err != nil {
		s.end(err) // tasks may have begun
		return err
	}
	s.report()
	s.end(context.Cause(ctx))
	return nil
}

// State returns the numbers of the current run of the pool. While it does not run, they are
// zero, except for Limit.
func (p *Pool) State() State {
	if s, ok := p.current.Load(); ok {
		return s.state()
	}
	return State{Limit: p.spec.limit()}
}

// A State counts the tasks of one run of a pool.
type State struct {
	Limit   int
	Running int    // tasks that count towards the limit
	Waiting int    // calls that wait for their turn
	Done    uint64 // tasks that have returned, with or without an error
	Failed  uint64 // those that returned an error or panicked
}

// shift returns the current run of the pool. While there is none, it waits for the next.
func (p *Pool) shift(ctx context.Context) (*shift, error) {
	switch {
	case ctx == nil:
		return nil, errors.New("task: nil context")
	case p == nil:
		return nil, errors.New("task: nil pool")
	}
	if s, ok := p.current.Load(); ok {
		return s, nil
	}
	defer lend(ctx).back()
	return p.current.Get(ctx)
}
