package periodic

import (
	"errors"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
)

// ErrMissed is reported by ctx.OnError when times have passed without a call. It is wrapped
// in an error that says how many, and since when.
var ErrMissed = errors.New("missed calls")

// A Job is a child that calls a function periodically. Make it with New and set
// child.Spec.Run to its Run method. All methods may be called from any goroutine.
type Job struct {
	spec    Spec
	clock   func() time.Time // the wall clock; another one in tests
	current child.Ref[*run]

	mu    sync.Mutex
	last  *run // the run that state is about
	state State
}

// New makes a Job. It cannot fail: Run returns the problems of the spec.
func New(spec Spec) *Job { return &Job{spec: spec, clock: time.Now} }

// State returns what the job knows of itself.
func (j *Job) State() State {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}

// Run calls Spec.Do in turn until ctx is done. It returns
//
//   - nil, or the error of the call that was in progress, when ctx has ended,
//   - the error of a call, without Spec.GoOn,
//   - child.ErrDone, when Spec.Next has returned the zero Time, or
//   - an error before it is ready, if the spec is invalid.
func (j *Job) Run(ctx child.Context) error {
	if ctx == nil {
		return errors.New("periodic: nil context")
	}
	if err := j.spec.Validate(); err != nil {
		return err
	}
	r := &run{job: j, ctx: ctx, asked: make(chan struct{}, 1), plan: j.plan()}
	j.begin(r)
	defer j.end(r)
	defer r.close()
	defer enlist(r)()
	j.current.Set(ctx, r)
	if err := r.plan.begin(); err != nil {
		return err
	}
	r.showNext() // so that it can be seen as soon as the child is ready
	if err := ctx.Ready(); err != nil {
		return err
	}
	return r.loop()
}

func (j *Job) plan() plan {
	if j.spec.Every > 0 {
		return &interval{every: j.spec.Every, jitter: j.spec.Jitter}
	}
	return &calendar{schedule: j.spec.Next, jitter: j.spec.Jitter, clock: j.clock}
}

// begin makes a run the one that the state is about. An earlier one may have been abandoned.
func (j *Job) begin(r *run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = r
	j.state.Running, j.state.Calling, j.state.Next = true, time.Time{}, time.Time{}
}

func (j *Job) end(r *run) {
	j.update(r, func(s *State) { s.Running, s.Calling, s.Next = false, time.Time{}, time.Time{} })
}

// update changes the state, unless it is about a later run. It returns the state.
func (j *Job) update(r *run, change func(*State)) State {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last == r {
		change(&j.state)
	}
	return j.state
}
