package task

import (
	"context"
	"errors"
)

// A Task is a function that runs in a pool, and its result. Any number of goroutines may wait
// for it.
type Task[T any] struct {
	done chan struct{} // closed when value and err are set
	v    T
	err  error
}

// Go runs f in the pool. It waits until it is the turn of the task, that is, until fewer than
// Spec.Limit tasks run, and does not wait for f. The name is for errors: with it, the path of
// the task is that of the pool, a slash and the name, as child.NameOf writes it. Names need not
// be unique.
//
// If ctx ends before it is the turn of the task, or the pool ends, f is not called, and Wait
// returns the cause. When f runs, its context ends with ctx. For work that must outlive the
// caller, use context.WithoutCancel.
func Go[T any](ctx context.Context, pool *Pool, name string, f func(context.Context) (T, error)) *Task[T] {
	// The channel has room for the turn, which comes before anybody waits for the task.
	t := &Task[T]{done: make(chan struct{}, 1)}
	g := &going[T]{f: f, task: t}
	if err := g.call.begin(ctx, pool); err != nil {
		t.err = err
		close(t.done)
		return t
	}
	g.turn.prepare(t.done, true)
	ok, own := g.call.turn(&g.turn, nil)
	defer own.back()
	if !ok {
		t.err = g.call.cause()
		g.call.end(t.err)
		close(t.done)
		return t
	}
	go g.call.run(g, &g.ctx, name, -1)
	return t
}

// A going is the run of a Task. The Task does not keep it.
type going[T any] struct {
	call call
	turn turn
	ctx  slotted
	f    func(context.Context) (T, error)
	task *Task[T]
}

func (g *going[T]) do(ctx context.Context) (err error) {
	g.task.v, err = g.f(ctx)
	return err
}

func (g *going[T]) settle(err error) {
	g.task.err = err
	g.call.cancel(context.Canceled)
}

func (g *going[T]) finish() {
	g.call.shift.calls.remove(&g.call.node) // as part does; its lock is held
	close(g.task.done)
}

// Wait waits for the end of the task and returns its result. It can be called any number of
// times. If ctx ends before, Wait returns the cause of ctx, and the task goes on.
func (t *Task[T]) Wait(ctx context.Context) (T, error) {
	var none T
	if ctx == nil {
		return none, errors.New("task: nil context")
	}
	select {
	case <-t.done:
		return t.v, t.err
	default:
	}
	defer lend(ctx).back()
	select {
	case <-t.done:
		return t.v, t.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// Done returns a channel that is closed when the task has ended.
func (t *Task[T]) Done() <-chan struct{} { return t.done }
