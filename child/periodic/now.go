package periodic

import (
	"context"
	"errors"
)

// callKey is the key of the context of a call, so that Now finds out where it is called.
type callKey struct{ job *Job }

// A request is that of one or more calls of Now, which one call answers. It may be
// nil.
type request struct {
	done  chan struct{}
	err   error
	again bool // the run has ended before the call
}

func (q *request) answer(err error) {
	if q != nil {
		q.err = err
		close(q.done)
	}
}

// Now calls Spec.Do out of turn, and returns its error. The times of the calls in turn stay
// as they are.
//
// If a call is in progress, Now waits for its end and for another one. Several calls of Now
// that wait share the next call, which may be one in turn. While the job does not run, Now
// waits for the next run. If the child is gone for good, it returns an error that wraps
// child.ErrGone. If ctx ends before, Now returns its cause, and the call is made all the same.
//
// The call counts as any other: without Spec.GoOn, an error also fails the run. The context of
// Do is not derived from ctx. Now cannot be called by Do itself.
func (j *Job) Now(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errors.New("periodic: nil context")
	case ctx.Value(callKey{j}) != nil:
		return errors.New("periodic: Now was called by Do, for which it would wait")
	}
	for {
		r, err := j.current.Get(ctx)
		if err != nil {
			return err
		}
		q := r.ask()
		if q == nil { // the run is about to end
			select {
			case <-r.ctx.Done():
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		select {
		case <-q.done:
			if !q.again {
				return q.err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ask asks for a call. It returns nil if there are no more calls.
func (r *run) ask() *request {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	if r.request == nil {
		r.request = &request{done: make(chan struct{})}
		select {
		case r.asked <- struct{}{}:
		default:
		}
	}
	return r.request
}

func (r *run) hasRequest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.request != nil
}

// takeRequest returns the request that the call that is about to begin answers.
func (r *run) takeRequest() *request {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.request
	r.request = nil
	return q
}

// close ends the requests. The calls of Now wait for the next run.
func (r *run) close() {
	r.mu.Lock()
	r.closed = true
	q := r.request
	r.request = nil
	r.mu.Unlock()
	if q != nil {
		q.again = true
		q.answer(nil)
	}
}
