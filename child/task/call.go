package task

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A call is one call of Go, Map or Each: what its tasks have in common.
type call struct {
	shift *shift
	ctx   context.Context // of its tasks; ends with that of the caller, and with the shift
	node[context.CancelCauseFunc]
	own context.Context // of the caller
}

// begin begins a call.
func (c *call) begin(ctx context.Context, pool *Pool) error {
	s, err := pool.shift(ctx)
	if err != nil {
		return err
	}
	c.shift, c.own = s, ctx
	c.ctx, c.value = context.WithCancelCause(ctx)
	if !s.join(&c.node) {
		c.cancel(s.cause())
		return s.cause()
	}
	return nil
}

func (c *call) cancel(cause error) { c.value(cause) }

// end ends the contexts of the tasks that have not returned.
func (c *call) end(cause error) {
	c.shift.part(&c.node)
	c.cancel(cause)
}

// turn waits for a slot, until wake receives. It reports false if there is none: because of
// wake, or because the context has ended. A task that makes the call lends its own slot
// meanwhile. It gets that back from the loan, which the caller must give back when it has
// started a task with the slot.
func (c *call) turn(t *turn, wake <-chan struct{}) (ok bool, own loan) {
	if c.ctx.Err() != nil {
		return false, own
	}
	if taken, ended := c.shift.take(t); taken || ended {
		return taken, own
	}
	own = lend(c.own)
	select {
	case <-t.granted:
		ok = true
	case <-wake:
		ok = c.shift.leave(t)
	case <-c.ctx.Done():
		ok = c.shift.leave(t)
	}
	if ok && c.ctx.Err() != nil { // the context has ended first
		c.shift.decline()
		ok = false
	}
	return ok, own
}

// cause returns why there are no more turns.
func (c *call) cause() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return c.shift.cause() // it has ended, and is about to end the context
}

// A job is what a call runs as one task.
type job interface {
	do(ctx context.Context) error
	settle(err error) // its result, before its slot is free
	finish()          // at the moment when its slot is free: under a lock, so it must not block
}

// run runs a job that has a slot. ctx is the context of the task, which run fills in: it is a
// part of the job, so that a task takes little memory. The name of the task is that of the
// call, and its index unless that is negative.
func (c *call) run(j job, ctx *slotted, name string, index int) {
	ctx.Context, ctx.slot.shift, ctx.slot.held = c.ctx, c.shift, true
	err := child.ErrGoexit // if guarded does not return
	defer func() {
		j.settle(err)
		c.shift.returned(j, ctx.slot.end(), err)
	}()
	c.guarded(j, ctx, name, index, &err)
}

// guarded is the part of run that recovers.
func (c *call) guarded(j job, ctx context.Context, name string, index int, err *error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		*err = c.named(name, index, child.ErrGoexit) // even if the text of the panic's value calls Goexit
		if v := recover(); v != nil {
			*err = c.named(name, index, child.Recovered(v))
		}
		c.shift.ctx.OnError(*err)
	}()
	if limit := c.shift.spec.Timeout; limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, limit, timeout(limit))
		defer cancel()
		ctx = limited
	}
	*err = explained(ctx, j.do(ctx))
	returned = true
}

// named puts the path of a task in front of its error.
func (c *call) named(name string, index int, err error) error {
	if index >= 0 {
		name += "-" + strconv.Itoa(index)
	}
	return fmt.Errorf("%s/%s: %w", c.shift.ctx.Path(), child.NameOf(name), err)
}

// explained adds the cause of a context to its error, as a function returned it.
func explained(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	cause := context.Cause(ctx)
	switch {
	case err == ctx.Err():
		return cause
	case errors.Is(err, cause):
		return err
	}
	return fmt.Errorf("%w (%w)", err, cause)
}

// A timeout is the cause of the end of a task that took too long.
type timeout time.Duration

func (t timeout) Error() string        { return "timed out after " + time.Duration(t).String() }
func (t timeout) Is(target error) bool { return target == context.DeadlineExceeded }
func (t timeout) Timeout() bool        { return true }
