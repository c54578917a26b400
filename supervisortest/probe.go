package supervisortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/trial"
)

// A stage is where one child is checked.
type stage struct {
	name  string
	child child.Runnable
	runs  []*probe
}

// run starts a run.
func (s *stage) run() *probe {
	p := s.prepare()
	p.begin(s)
	return p
}

// prepare makes a run that has not begun.
func (s *stage) prepare() *probe {
	p := &probe{
		gate:  gate{fmt.Sprintf("%s#%d", s.name, gates.Add(1))},
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	real, cancel := context.WithCancelCause(context.Background())
	p.Context, p.cancel = child.FromContext(real), cancel
	p.grace, p.endGrace = context.WithCancelCause(context.Background())
	s.runs = append(s.runs, p)
	return p
}

// clean says what the runs have left behind.
func (s *stage) clean() error {
	for _, p := range s.runs {
		for _, l := range p.gate.leaks() {
			return fmt.Errorf("Run left %s behind when it returned: what it starts has to end before, or with ctx:\n%s",
				goroutines(l.count), l.stack)
		}
	}
	if trial.InBubble() { // for those that call something a little later
		<-time.After(time.Second)
	}
	for _, p := range s.runs {
		if call := p.tooLate(); call != "" {
			return fmt.Errorf("ctx.%s was called after Run had returned: what Run starts has to end with it", call)
		}
	}
	return nil
}

// leave ends what a scene that was cut short has left.
func (s *stage) leave() {
	for _, p := range s.runs {
		p.cancel(child.ErrStopped)
		p.endGrace(nil)
	}
}

// A probe is the context of a run that is checked, and sees what the run does.
type probe struct {
	child.Context
	gate     gate
	cancel   context.CancelCauseFunc
	grace    context.Context
	endGrace context.CancelCauseFunc
	refuse   error // what Ready returns

	ready chan struct{} // closed by Ready
	done  chan struct{} // closed when Run has returned
	err   error         // what it returned
	how   string        // it ended otherwise, if it did

	mu    sync.Mutex
	asked bool // Ready was called
	ended bool
	late  string // the first call after that
}

// begin starts the run.
func (p *probe) begin(s *stage) {
	go func() {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				text, _, _ := strings.Cut(fmt.Sprint(v), "\n")
				p.how = fmt.Sprintf("panicked (%s)", text)
			} else if !returned {
				p.how = "called runtime.Goexit"
			}
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			p.cancel(context.Canceled)
			p.endGrace(nil)
			close(p.done)
		}()
		p.gate.do(p.Context, "", func(context.Context) { p.err = s.child.Run(p) })
		returned = true
	}()
}

// stop asks the run to stop.
func (p *probe) stop(limit time.Duration) {
	p.limitGrace(limit)
	p.cancel(child.ErrStopped)
}

// limitGrace is what a supervisor does when it asks a run to stop.
func (p *probe) limitGrace(limit time.Duration) {
	time.AfterFunc(limit-limit/10, func() { p.endGrace(context.DeadlineExceeded) })
}

// endsSoon waits until the run has ended, and reports whether it has.
func (p *probe) endsSoon(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// misbehaved says how a run that is over ended, if that was not by returning.
func (p *probe) misbehaved() error {
	if p.how != "" {
		return errors.New("Run " + p.how + ": return an error instead")
	}
	return nil
}

// stack returns where the run is.
func (p *probe) stack() string {
	trial.Settle()
	var all []string
	for _, l := range p.gate.look() {
		all = append(all, l.stack)
	}
	return strings.Join(all, "\n")
}

// tooLate returns the first method that was called after the end.
func (p *probe) tooLate() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late
}

// called notes a call.
func (p *probe) called(method string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended && p.late == "" {
		p.late = method
	}
}

// Value finds the probe itself, for FromContext.
func (p *probe) Value(key any) any {
	if key == (runkey.Key{}) {
		return child.Context(p)
	}
	return p.Context.Value(key)
}

func (p *probe) Ready() error {
	p.called("Ready")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked {
		p.asked = true
		close(p.ready)
	}
	if p.refuse != nil {
		return p.refuse
	}
	return p.Context.Ready()
}

func (p *probe) Unready(error)    { p.called("Unready") }
func (p *probe) OnError(error)    { p.called("OnError") }
func (p *probe) Heartbeat()       { p.called("Heartbeat") }
func (p *probe) Path() string     { return "/check/child" }
func (p *probe) Restarts() int    { return 0 }
func (p *probe) ShouldHalt() bool { return p.Context.Err() != nil }

func (p *probe) Grace() context.Context {
	p.called("Grace")
	return p.grace
}
