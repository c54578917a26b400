package periodic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// A run is one run of a Job.
type run struct {
	job   *Job
	ctx   child.Context
	plan  plan
	asked chan struct{} // receives when there is a request

	mu      sync.Mutex
	request *request // what the next call answers; nil: nothing
	closed  bool     // there are no more calls
}

// loop makes the calls, one after another, on the goroutine of Run.
func (r *run) loop() error {
	if r.job.spec.AtStart {
		if err := r.outOfTurn(); err != nil {
			return err
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for r.ctx.Err() == nil {
		wait, err := r.plan.wait()
		if err != nil {
			return err
		}
		if r.showNext().IsZero() {
			return child.ErrDone
		}
		timer.Reset(wait)
		select {
		case <-r.ctx.Done():
		case <-r.asked:
			if r.hasRequest() {
				err = r.outOfTurn()
			}
		case <-timer.C:
			err = r.inTurn()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inTurn makes the call that is planned, if it is due.
func (r *run) inTurn() error {
	wait, err := r.plan.wait()
	if err != nil || wait > 0 || r.plan.next().IsZero() {
		return err
	}
	if err := r.call(); err != nil {
		return err
	}
	return r.advance(true)
}

// outOfTurn makes a call that is not planned. The planned one may be missed meanwhile.
func (r *run) outOfTurn() error {
	if err := r.call(); err != nil {
		return err
	}
	return r.advance(false)
}

// advance plans the next call, and reports what was missed.
func (r *run) advance(called bool) error {
	missed, since, err := r.plan.advance(called)
	if missed > 0 {
		r.job.update(r, func(s *State) { s.Missed += uint64(missed) })
		r.ctx.OnError(fmt.Errorf("%w: %d since %s", ErrMissed, missed, stamp(since)))
	}
	return err
}

// call makes a call, and answers the calls of Now that wait for one. With GoOn, it reports an error
// and returns nil.
func (r *run) call() error {
	if r.ctx.Err() != nil {
		return nil
	}
	asked := r.takeRequest()
	err := errUnfinished
	defer func() { asked.answer(err) }() // also if Do panics
	if err = r.do(); err == nil || !r.job.spec.GoOn || r.ctx.Err() != nil {
		return err
	}
	r.ctx.OnError(err)
	return nil
}

// errUnfinished is the error of a call that does not return.
var errUnfinished = errors.New("the call has panicked, or called runtime.Goexit")

// do calls Spec.Do.
func (r *run) do() (err error) {
	began := time.Now()
	r.show(func(s *State) { s.Calling = began })
	err = errUnfinished
	defer func() {
		ended := time.Now()
		r.job.update(r, func(s *State) {
			s.Calling, s.Last, s.Took, s.Err = time.Time{}, began, ended.Sub(began), err
			if s.Calls++; err != nil {
				s.Failed++
			} else {
				s.LastSuccess = ended
			}
		})
	}()
	ctx := context.WithValue(r.ctx, callKey{r.job}, true)
	limit := r.job.spec.Timeout
	if limit > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, limit, timeout(limit))
		defer cancel()
		ctx = limited
	}
	return explained(ctx, r.job.spec.Do(ctx), timeout(limit))
}

// explained adds to the error of a context that the call has timed out, if it has.
func explained(ctx context.Context, err error, cause timeout) error {
	switch {
	case err == nil || context.Cause(ctx) != error(cause) || !errors.Is(err, context.DeadlineExceeded):
		return err
	case err == context.DeadlineExceeded:
		return cause
	}
	return fmt.Errorf("%w (%w)", err, cause)
}

// A timeout is the error of a call that took too long.
type timeout time.Duration

func (t timeout) Error() string        { return "timed out after " + time.Duration(t).String() }
func (t timeout) Is(target error) bool { return target == context.DeadlineExceeded }
func (t timeout) Timeout() bool        { return true }

// showNext shows when the next call is due.
func (r *run) showNext() time.Time {
	next := r.plan.next()
	r.show(func(s *State) { s.Next = next })
	return next
}

// show changes the state and the status text.
func (r *run) show(change func(*State)) {
	state := r.job.update(r, change)
	r.ctx.Status(state.text()) // without the lock: it calls a method of an error of Do
}
