package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
)

// Check puts a child through what a supervisor may do to it, and fails the test
// with one sentence if it breaks the contract of child.Spec.Run:
//
//   - it calls ctx.Ready in time, and does not return nil before
//   - it returns in time when its context ends, before Ready and after
//   - when ctx.Ready returns an error, it returns at once
//   - it neither panics nor calls runtime.Goexit, nor returns context.Canceled
//     when nobody has stopped it
//   - it can run again after its end
//   - a second run beside a first one, which was abandoned but goes on, may fail,
//     and leaves the first one alone
//   - what it starts has ended, or ends with its context, when Run returns; nothing
//     calls a method of the context after that
//
// Each step gets a new child from the function. No supervisor is around it. Check
// works in real time, and, for a child that does no input or output, in a bubble.
// There it also sees what calls the context up to a second after Run has returned.
// Contract sets other limits than 10 s for a start and 5 s for a stop.
func Check(t testing.TB, newChild func() child.Runnable) {
	t.Helper()
	Contract{}.Check(t, newChild)
}

// A Contract is a Check with limits of its own.
type Contract struct {
	StartTimeout time.Duration // from the call of Run to ctx.Ready; zero is 10 s
	StopTimeout  time.Duration // from the end of the context to the return; zero is 5 s
}

// Check is Check with the contract's limits.
func (c Contract) Check(t testing.TB, newChild func() child.Runnable) {
	t.Helper()
	if newChild == nil {
		t.Fatalf("Check: newChild is nil")
		return
	}
	if c.StartTimeout < 0 || c.StopTimeout < 0 {
		t.Fatalf("Check: negative limit in %+v: zero is the default", c)
		return
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 10 * time.Second
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = child.DefaultStopTimeout
	}
	for _, scene := range []func(Contract, *fixture) error{startAndStop, stopBeforeReady, stopOnItsWay, readyFails, runAgain, runTwice} {
		runnable := newChild()
		if runnable == nil {
			t.Fatalf("Check: newChild returned nil")
			return
		}
		f := &fixture{name: t.Name(), child: runnable}
		err := scene(c, f)
		if err == nil {
			err = f.clean()
		}
		f.leave()
		if err != nil {
			t.Errorf("contract: %v", err)
			return
		}
	}
}

func startAndStop(c Contract, f *fixture) error {
	r := f.run()
	if err := c.getReady(r); err != nil {
		return err
	}
	if r.endsSoon(10*time.Millisecond) && errors.Is(r.err, context.Canceled) {
		return errors.New("Run returned context.Canceled though nobody had stopped it: that is the end of some other context")
	}
	return c.stop(r)
}

func stopBeforeReady(c Contract, f *fixture) error {
	r := f.prepare()
	r.stop(c.StopTimeout)
	r.begin(f)
	return c.givesUp(r)
}

func stopOnItsWay(c Contract, f *fixture) error {
	r := f.run()
	select {
	case <-r.ready: // too fast to be caught
	case <-r.done:
	case <-time.After(10 * time.Millisecond):
	}
	r.stop(c.StopTimeout)
	return c.givesUp(r)
}

// givesUp checks that a run which was asked to stop before it was ready ends.
func (c Contract) givesUp(r *checkedRun) error {
	if !r.endsSoon(c.StopTimeout) {
		return fmt.Errorf("Run did not return within %v when it was asked to stop before it was ready: "+
			"what it does before ctx.Ready has to end with ctx too:\n%s", c.StopTimeout, r.stack())
	}
	return r.misbehaved()
}

func readyFails(c Contract, f *fixture) error {
	r := f.prepare()
	r.refuse = child.ErrStopped
	r.limitGrace(c.StopTimeout)
	r.begin(f)
	if err := c.getReady(r); err != nil {
		return err
	}
	// Its context has not ended, so that only the error can tell it to go.
	if !r.endsSoon(c.StopTimeout) {
		return errors.New("Run went on after ctx.Ready had returned an error: return it at once")
	}
	return r.misbehaved()
}

func runAgain(c Contract, f *fixture) error {
	for n := 1; ; n++ {
		r := f.run()
		err := c.getReady(r)
		if err == nil {
			err = c.stop(r)
		}
		switch {
		case err == nil && n == 2:
			return nil
		case err != nil && n == 1:
			return err
		case err != nil:
			return fmt.Errorf("it does not run a second time, and every start calls Run of the same child anew: %w", err)
		}
	}
}

func runTwice(c Contract, f *fixture) error {
	first := f.run()
	if err := c.getReady(first); err != nil {
		return err
	}
	whole := first.endsSoon(10 * time.Millisecond) // a task, say
	second := f.run()
	disturbed := func(format string, args ...any) error {
		return fmt.Errorf("a second run, started while the first was going on, %s: "+
			"a run that was abandoned may still be there when the next begins", fmt.Sprintf(format, args...))
	}
	select {
	case <-second.ready:
	case <-second.done: // it may say that it cannot
		if second.how != "" {
			return disturbed("%s", second.how)
		}
	case <-time.After(c.StartTimeout):
		return disturbed("was neither ready nor over within %v", c.StartTimeout)
	}
	if !whole && first.endsSoon(10*time.Millisecond) {
		return disturbed("ended the first")
	}
	if err := c.stop(second); err != nil {
		return disturbed("does not stop")
	}
	if err := c.stop(first); err != nil {
		return disturbed("kept the first from stopping")
	}
	return nil
}

// getReady waits until a run is ready.
func (c Contract) getReady(r *checkedRun) error {
	select {
	case <-r.ready:
		return nil
	case <-r.done:
	case <-time.After(c.StartTimeout):
		return fmt.Errorf("it did not call ctx.Ready within %v of its start: call it when set-up is done:\n%s", c.StartTimeout, r.stack())
	}
	select {
	case <-r.ready: // both at once
		return nil
	default:
	}
	if err := r.misbehaved(); err != nil {
		return err
	}
	if r.err == nil {
		return errors.New("Run returned nil before it had called ctx.Ready: call it, or return an error")
	}
	return fmt.Errorf("it could not start, so there is nothing to check: %w", r.err)
}

// stop stops a run.
func (c Contract) stop(r *checkedRun) error {
	r.stop(c.StopTimeout)
	if !r.endsSoon(c.StopTimeout) {
		return fmt.Errorf("Run did not return within %v after its context had ended: select on ctx.Done wherever it waits:\n%s", c.StopTimeout, r.stack())
	}
	return r.misbehaved()
}
