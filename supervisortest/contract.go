package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coppice-go/coppice/child"
)

// Check runs a child in every way that a supervisor may, and fails the test with one
// sentence if the child breaks the contract of child.Spec.Run:
//
//   - it calls ctx.Ready in time, and does not return nil before that
//   - it returns in time when its context ends, before Ready and after
//   - when ctx.Ready returns an error, it returns at once
//   - it does not panic or call runtime.Goexit, and does not return context.Canceled
//     unless it was stopped
//   - it can run again after it has ended
//   - a second run may fail while an abandoned first run goes on, but must not disturb it
//   - the goroutines that it starts end before Run returns, or with its context, and
//     none of them calls a method of the context after Run has returned
//
// Check calls newChild once for each step, and uses no supervisor. It works in real time
// and, for a child that does no I/O, in a bubble. There it also finds calls of the
// context up to a second after Run has returned. The limits are 10 s for a start and 5 s
// for a stop; a Contract has others.
func Check(t testing.TB, newChild func() child.Runnable) {
	t.Helper()
	Contract{}.Check(t, newChild)
}

// A Contract is Check with other limits.
type Contract struct {
	StartTimeout time.Duration // from the call of Run to ctx.Ready; zero means 10 s
	StopTimeout  time.Duration // from the end of the context to the return; zero means 5 s
}

// Check does what the function Check does, with the limits of c.
func (c Contract) Check(t testing.TB, newChild func() child.Runnable) {
	t.Helper()
	if newChild == nil {
		t.Fatalf("Check: newChild is nil")
		return
	}
	if c.StartTimeout < 0 || c.StopTimeout < 0 {
		t.Fatalf("Check: negative limit in %+v: use zero for the default", c)
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
		f.cancel()
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
		return errors.New("Run returned context.Canceled but was not stopped: the error is that of another context")
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
		return fmt.Errorf("Run did not return within %v after it was asked to stop before ctx.Ready: "+
			"its set-up must end with ctx too:\n%s", c.StopTimeout, r.stack())
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
	// Its context has not ended: only the error says that it must return.
	if !r.endsSoon(c.StopTimeout) {
		return errors.New("Run went on after ctx.Ready returned an error: return that error at once")
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
			return fmt.Errorf("the second call of Run failed, but a restart calls Run of the same child again: %w", err)
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
		return fmt.Errorf("a second run, started while the first was still running, %s: "+
			"an abandoned run may still be running when the next one starts", fmt.Sprintf(format, args...))
	}
	select {
	case <-second.ready:
	case <-second.done: // it may refuse with an error
		if second.how != "" {
			return disturbed("%s", second.how)
		}
	case <-time.After(c.StartTimeout):
		return disturbed("neither became ready nor returned within %v", c.StartTimeout)
	}
	if !whole && first.endsSoon(10*time.Millisecond) {
		return disturbed("ended the first")
	}
	if err := c.stop(second); err != nil {
		return disturbed("did not stop")
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
		return fmt.Errorf("Run did not call ctx.Ready within %v: call it when set-up is done:\n%s", c.StartTimeout, r.stack())
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
		return errors.New("Run returned nil before it called ctx.Ready: call Ready, or return an error")
	}
	return fmt.Errorf("Run failed before ctx.Ready, so Check has nothing to check: %w", r.err)
}

// stop stops a run, and checks that it returns in time.
func (c Contract) stop(r *checkedRun) error {
	r.stop(c.StopTimeout)
	if !r.endsSoon(c.StopTimeout) {
		return fmt.Errorf("Run did not return within %v after its context ended: select on ctx.Done wherever it waits:\n%s", c.StopTimeout, r.stack())
	}
	return r.misbehaved()
}
