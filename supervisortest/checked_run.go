package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/testkit"
)

// A fixture is one child under Check, with all its runs.
type fixture struct {
	name  string
	child child.Runnable
	runs  []*checkedRun
}

// run starts a run.
func (f *fixture) run() *checkedRun {
	r := f.prepare()
	r.begin(f)
	return r
}

// prepare makes a run that has not begun.
func (f *fixture) prepare() *checkedRun {
	r := &checkedRun{
		gate:  gate{fmt.Sprintf("%s#%d", f.name, gates.Add(1))},
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	real, cancel := context.WithCancelCause(context.Background())
	r.Context, r.cancel = child.FromContext(real), cancel
	r.grace, r.endGrace = context.WithCancelCause(context.Background())
	f.runs = append(f.runs, r)
	return r
}

// clean reports the first goroutine that a run has leaked, or the first call of its
// context after its end.
func (f *fixture) clean() error {
	for _, r := range f.runs {
		for _, l := range r.gate.leaks() {
			return fmt.Errorf("Run left %s running when it returned: every goroutine must end before Run returns, or with ctx:\n%s",
				goroutines(l.count), l.stack)
		}
	}
	if testkit.InBubble() { // to see calls that come a little later
		<-time.After(time.Second)
	}
	for _, r := range f.runs {
		if call := r.tooLate(); call != "" {
			return fmt.Errorf("ctx.%s was called after Run had returned: end whatever uses ctx before Run returns", call)
		}
	}
	return nil
}

// cancel ends the runs of a scene that was cut short.
func (f *fixture) cancel() {
	for _, r := range f.runs {
		r.cancel(child.ErrStopped)
		r.endGrace(nil)
	}
}

// A checkedRun is the context of a run under Check, and observes what the run does.
type checkedRun struct {
	child.Context
	gate     gate
	cancel   context.CancelCauseFunc
	grace    context.Context
	endGrace context.CancelCauseFunc
	refuse   error // what Ready returns

	ready chan struct{} // closed by Ready
	done  chan struct{} // closed when Run has returned
	err   error         // what it returned
	how   string        // how it ended, if not by a return

	mu    sync.Mutex
	asked bool // Ready was called
	ended bool
	late  string // the first method called after the end
}

// begin starts the run.
func (r *checkedRun) begin(f *fixture) {
	go func() {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				r.how = fmt.Sprintf("panicked (%s)", oneline.First(v))
			} else if !returned {
				r.how = "called runtime.Goexit"
			}
			r.mu.Lock()
			r.ended = true
			r.mu.Unlock()
			r.cancel(context.Canceled)
			r.endGrace(nil)
			close(r.done)
		}()
		r.gate.do(r.Context, "", func(context.Context) { r.err = f.child.Run(r) })
		returned = true
	}()
}

// stop asks the run to stop.
func (r *checkedRun) stop(limit time.Duration) {
	r.limitGrace(limit)
	r.cancel(child.ErrStopped)
}

// limitGrace ends the run's Grace when nine tenths of the limit are over, as a supervisor
// does.
func (r *checkedRun) limitGrace(limit time.Duration) {
	time.AfterFunc(limit-limit/10, func() { r.endGrace(context.DeadlineExceeded) })
}

// endsSoon reports whether the run ends within the limit.
func (r *checkedRun) endsSoon(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-r.done:
		return true
	case <-timer.C:
		return false
	}
}

// misbehaved returns an error if a run that has ended did not return.
func (r *checkedRun) misbehaved() error {
	if r.how != "" {
		return errors.New("Run " + r.how + ": return an error instead")
	}
	return nil
}

// stack returns where the run is.
func (r *checkedRun) stack() string {
	testkit.Settle()
	var all []string
	for _, l := range r.gate.look() {
		all = append(all, l.stack)
	}
	return strings.Join(all, "\n")
}

// tooLate returns the first method that was called after the end.
func (r *checkedRun) tooLate() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.late
}

// called records a call of a method.
func (r *checkedRun) called(method string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended && r.late == "" {
		r.late = method
	}
}

// Value returns the checkedRun itself to child.FromContext.
func (r *checkedRun) Value(key any) any {
	if key == (runkey.Key{}) {
		return child.Context(r)
	}
	return r.Context.Value(key)
}

func (r *checkedRun) Ready() error {
	r.called("Ready")
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked {
		r.asked = true
		close(r.ready)
	}
	if r.refuse != nil {
		return r.refuse
	}
	return r.Context.Ready()
}

func (r *checkedRun) Unready(error)    { r.called("Unready") }
func (r *checkedRun) OnError(error)    { r.called("OnError") }
func (r *checkedRun) Status(string)    { r.called("Status") }
func (r *checkedRun) Heartbeat()       { r.called("Heartbeat") }
func (r *checkedRun) Path() string     { return "/check/child" }
func (r *checkedRun) Restarts() int    { return 0 }
func (r *checkedRun) ShouldHalt() bool { return r.Context.Err() != nil }

func (r *checkedRun) Grace() context.Context {
	r.called("Grace")
	return r.grace
}
