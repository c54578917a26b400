package task

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// errOver is the cause of the end of a context whose call has returned.
var errOver = errors.New("task: the call has ended")

// Each calls f for each value of a sequence, in the pool, and returns when all calls have
// returned. The first error ends the contexts of the other calls, with that error as the
// cause, and no more values are used. Each returns that error.
//
// The sequence runs on the goroutine of Each, and is asked for one value at a time: the next
// one when the last has begun. If ctx or the pool ends before the end of the sequence is
// reached, Each returns the cause.
func Each[In any](ctx context.Context, pool *Pool, seq iter.Seq[In], f func(context.Context, In) error) error {
	e := &each[In]{f: f}
	if err := e.begin(ctx, pool); err != nil {
		return err
	}
	wait := func() {
		defer lend(ctx).back()
		e.all.Wait()
	}
	finished := false
	defer func() {
		e.end(errOver)
		if !finished { // the sequence has panicked
			wait()
		}
	}()
	turn, index := newTurn(true), 0
	for in := range seq {
		ok, own := e.turn(turn, nil)
		if !ok {
			own.back()
			e.fail(e.cause())
			break
		}
		it := &item[In]{of: e, in: in}
		e.all.Add(1)
		go e.run(it, &it.ctx, "each", index)
		own.back()
		index++
	}
	wait()
	finished = true
	return e.first
}

// An each is one call of Each.
type each[In any] struct {
	call
	f     func(context.Context, In) error
	all   sync.WaitGroup
	mu    sync.Mutex
	first error
}

// fail ends the call with an error, if it is the first one.
func (e *each[In]) fail(err error) {
	e.mu.Lock()
	isFirst := e.first == nil
	if isFirst {
		e.first = err
	}
	e.mu.Unlock()
	if isFirst {
		e.cancel(err)
	}
}

// An item is one value of the sequence.
type item[In any] struct {
	of  *each[In]
	in  In
	ctx slotted
}

func (it *item[In]) do(ctx context.Context) error { return it.of.f(ctx, it.in) }
func (it *item[In]) finish()                      { it.of.all.Done() }

func (it *item[In]) settle(err error) {
	if err != nil {
		it.of.fail(err) // before the next item can have the slot
	}
}
