package supervisor

import (
	"context"

	"github.com/coppice-go/coppice/internal/machine"
)

// A call is a caller that waits for the machine's answer about one child. It gets one
// answer; giving it never blocks.
type call struct {
	machine.Waiter
	done     chan *call // receives this call when it is answered; has room for it
	err      error      // the answer
	wrong    StopError  // what went wrong with a stop that it waits for
	start    bool       // it waits for a start
	answered bool       // it was received from done; for the caller alone
	over     bool       // wait has returned the answer
	to       *life
	name     string
	child    *machine.Child // of StartChild: the added child, or nil if it was refused
	asked    uint64         // of StartChild: number of the EventRequest
}

// newCall returns a call, a used one if there is one: a new record and a new channel for
// each request would be a considerable part of the cost of a child.
func newCall(to *life, name string) *call {
	c := to.spare.Swap(nil)
	if c == nil {
		c = &call{done: make(chan *call, 1), to: to}
		c.Owner = c
	}
	c.name = name
	return c
}

// free makes a call available for reuse. It must have been answered with nil, and nothing
// may use it any more.
func (c *call) free() {
	if cap(c.done) > 1 {
		return // one of many, which share memory
	}
	c.name, c.err, c.child, c.asked, c.wrong, c.start, c.answered, c.over = "", nil, nil, 0, StopError{}, false, false, false
	c.to.spare.Store(c)
}

// manyCalls are the calls that one goroutine makes at the same time, about many children.
// They share a channel, and most of them an allocation.
type manyCalls struct {
	room []call
	done chan *call
}

// of returns the next of n calls.
func (m *manyCalls) of(n int, to *life, name string) *call {
	if n == 1 {
		return newCall(to, name)
	}
	if m.done == nil {
		m.room, m.done = make([]call, n), make(chan *call, n)
	}
	c := &m.room[0]
	m.room = m.room[1:]
	c.done, c.to, c.name, c.Owner = m.done, to, name, c
	return c
}

func (c *call) answer(err error) {
	c.err = err
	c.done <- c
}

// wait returns the answer, or the cause of ctx if ctx ends first, with the path of the
// child in front. It adds what went wrong with stops. Once it has returned the answer, it
// returns nil.
func (c *call) wait(ctx context.Context) error {
	if c.over {
		return nil
	}
	if !c.await(ctx) {
		cause := context.Cause(ctx)
		if c.start {
			if waiting := c.to.startingIn(c.name); len(waiting) > 0 {
				cause = &lateStart{cause, waiting}
			}
		}
		c.to.lock() // more may still be noted
		defer c.to.mu.Unlock()
		return and(wrap(c.to.path+"/"+c.name, cause), c.heard())
	}
	c.over = true
	if c.err == nil { // the usual case, which needs no path
		return c.heard()
	}
	return and(c.to.wrapMachine(c.to.path+"/"+c.name, c.err), c.heard())
}

// heard returns what went wrong with stops since the last call of heard. The lock must be
// held unless the answer has arrived.
func (c *call) heard() error {
	err := c.wrong.orNil()
	c.wrong = StopError{}
	return err
}

// await waits for the answer or the end of ctx, and reports whether the answer has arrived.
// Other calls of the same goroutine may be answered before.
func (c *call) await(ctx context.Context) bool {
	ended := ctx.Done()
	for !c.answered {
		if ended == nil {
			(<-c.done).answered = true
			continue
		}
		select {
		case got := <-c.done:
			got.answered = true
		case <-ended:
			return c.hasArrived()
		}
	}
	return true
}

// hasArrived reports whether the answer has arrived.
func (c *call) hasArrived() bool {
	for !c.answered {
		select {
		case got := <-c.done:
			got.answered = true
		default:
			return false
		}
	}
	return true
}

// answer passes the machine's answer to the caller. What went wrong with a stop was noted
// before. The lock must be held.
func (l *life) answer(a *machine.Action) {
	err := a.Err
	if err == machine.ErrAbandoned {
		err = nil
	}
	a.Waiter.Owner.(*call).answer(err)
}
