package task

import (
	"context"
	"iter"
	"sync/atomic"
)

// A Result is what Map has for one value of its sequence.
type Result[In, Out any] struct {
	In  In
	Out Out
	Err error
}

// Map calls f for each value of a sequence, in the pool, and returns the results in the order
// of the sequence. It takes at most Spec.Limit values of the sequence ahead of the loop. An
// error is a Result like any other, and Map goes on; end the loop to stop.
//
// When the loop ends early, by break, return or a panic, the contexts of the calls that have
// not returned end, and the loop ends when they have returned. The results that it has not
// seen are dropped.
//
// The sequence runs on the goroutine of the loop. It is asked for the next value when the
// last has begun, so it may be endless, and while it blocks, results wait. If ctx or the pool
// ends before the end of the sequence is reached, the value that is next has the cause as its
// Err, and is the last one. So a loop that has seen no error has seen all results. If the call
// cannot begin at all, there is one Result with the error and without In.
//
// Each loop over what Map returns begins again.
func Map[In, Out any](ctx context.Context, pool *Pool, seq iter.Seq[In], f func(context.Context, In) (Out, error)) iter.Seq[Result[In, Out]] {
	return func(yield func(Result[In, Out]) bool) {
		m := &mapping[In, Out]{f: f, yield: yield, turn: newTurn(true), wake: make(chan struct{}, 1)}
		if err := m.begin(ctx, pool); err != nil {
			yield(Result[In, Out]{Err: err})
			return
		}
		defer m.stop()
		for in := range seq {
			if !m.add(in) {
				return
			}
		}
		for len(m.ahead) > 0 {
			if !m.deliver() {
				return
			}
			m.await()
		}
	}
}

// A mapping is one loop over Map.
type mapping[In, Out any] struct {
	call
	f     func(context.Context, In) (Out, error)
	yield func(Result[In, Out]) bool
	turn  *turn
	ahead []*cell[In, Out] // in order: what the loop has not seen
	index int
	going atomic.Int64  // tasks that have not returned
	wake  chan struct{} // receives when a task has returned
}

// A cell is one value and its result.
type cell[In, Out any] struct {
	Result[In, Out]
	of   *mapping[In, Out]
	ctx  slotted
	done atomic.Bool
}

func (c *cell[In, Out]) do(ctx context.Context) (err error) {
	c.Out, err = c.of.f(ctx, c.In)
	return err
}

func (c *cell[In, Out]) settle(err error) { c.Err = err }

func (c *cell[In, Out]) finish() {
	c.done.Store(true)
	c.of.going.Add(-1)
	select {
	case c.of.wake <- struct{}{}:
	default:
	}
}

// add runs the next value, and delivers results meanwhile. It reports false if the loop must
// end.
func (m *mapping[In, Out]) add(in In) bool {
	for {
		if !m.deliver() {
			return false
		}
		ok, own := m.call.turn(m.turn, m.wake)
		if ok {
			m.start(in)
		}
		own.back()
		switch {
		case ok:
			return m.makeRoom()
		case m.ctx.Err() == nil && !m.shift.over():
			continue // woken: there may be a result
		}
		cause := m.cause()
		for len(m.ahead) > 0 {
			if m.await(); !m.deliver() {
				return false
			}
		}
		m.yield(Result[In, Out]{In: in, Err: cause})
		return false
	}
}

// makeRoom waits until the next value may be asked for.
func (m *mapping[In, Out]) makeRoom() bool {
	for len(m.ahead) == m.shift.spec.Limit {
		if m.await(); !m.deliver() {
			return false
		}
	}
	return true
}

// start runs the function for a value that has a slot.
func (m *mapping[In, Out]) start(in In) {
	c := &cell[In, Out]{Result: Result[In, Out]{In: in}, of: m}
	m.ahead = append(m.ahead, c)
	m.going.Add(1)
	go m.run(c, &c.ctx, "map", m.index)
	m.index++
}

// deliver passes the results on that are next. It reports false if the loop has ended.
func (m *mapping[In, Out]) deliver() bool {
	for len(m.ahead) > 0 && m.ahead[0].done.Load() {
		r := m.ahead[0].Result
		m.ahead[0] = nil // the loop has it: nothing else keeps it
		m.ahead = m.ahead[1:]
		if !m.yield(r) {
			return false
		}
	}
	return true
}

// await waits until the result that is next is there.
func (m *mapping[In, Out]) await() {
	m.until(func() bool { return len(m.ahead) == 0 || m.ahead[0].done.Load() })
}

// stop ends what still runs, and waits for it.
func (m *mapping[In, Out]) stop() {
	m.end(errOver)
	m.until(func() bool { return m.going.Load() == 0 })
}

// until waits until ok, which the end of a task may change.
func (m *mapping[In, Out]) until(ok func() bool) {
	if ok() {
		return
	}
	defer lend(m.own).back()
	for !ok() {
		<-m.wake
	}
}
