package supervisor

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// Serve runs the supervisor as the root of a tree: it starts the children in
// order, runs until ctx ends, stops them in reverse order within
// Spec.StopTimeout, and returns. The children's values are those of ctx.
//
// It returns nil after an ordered stop, by ctx or by Stop, also if it came
// while starting; a *StopError if a run was abandoned, or returned an error while it
// was being stopped; the *ChildError of the child that could not start; a
// *GaveUpError; and after an AutoShutdown the *ChildError of the significant child, or
// nil if that ended well. Before anything has run: the faults of the spec,
// ErrAlreadyStarted, ErrNested, or an error for a nil ctx.
//
// Before it returns it waits for the log and for subscribers to be told the last
// events, for at most a second.
func (s *Supervisor) Serve(ctx context.Context) error {
	l, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		l.boot()
		select {
		case <-ctx.Done():
		case <-l.over:
		}
	}
	l.close(stopCause(ctx))
	<-l.over
	l.flush()
	return l.err
}

// Start runs the supervisor as the root of a tree in the background. It
// returns nil when all declared children are ready. Like that of a Dial, ctx
// bounds the start only, and gives the children their values; Stop stops the
// tree, Wait and Done tell its end.
//
// If a child cannot start, or Stop is called, what was started is stopped in reverse
// order, and then the error is returned: the *ChildError of the child, or one of the
// supervisor that wraps child.ErrStopped. If ctx ends first, all that was started is
// asked to stop at once, and the error wraps the cause of ctx and names the children
// that were still starting. A start that fails leaves nothing running, so Start may
// return later than ctx ends: each child has its stop timeout, and one with
// child.Forever as long as it likes. If all are ready by the time Start sees that ctx has
// ended, the start has succeeded. Errors before anything has run are as of Serve.
func (s *Supervisor) Start(ctx context.Context) error {
	l, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		l.boot()
		select {
		case <-l.up:
		case <-ctx.Done():
		case <-l.over:
		}
		if l.wasUp() { // also if it is down again already, or ctx ended in the same moment
			return nil
		}
	}
	var cause error
	if ctx.Err() != nil {
		cause = l.stillStarting(context.Cause(ctx))
		l.hasten(stopCause(ctx))
	} else {
		l.close(stopCause(ctx))
	}
	<-l.over
	l.flush()
	switch {
	case l.m.End().Kind != machine.EndAsked:
		return l.err
	case cause == nil:
		cause = child.ErrStopped
	}
	return and(&ChildError{Path: l.path, Err: cause}, l.stopErr())
}

// Run runs the supervisor as a child: put it into child.Spec.Run. It is ready
// when all its declared children are, stops them in order when ctx ends, and
// then returns. Its errors are those of Serve. It joins the tree of the run
// that ctx belongs to, also if a type of the user's wraps it; with a ctx outside
// of any tree it runs by itself.
func (s *Supervisor) Run(ctx child.Context) error {
	if ctx == nil {
		return errNilContext
	}
	l, err := s.begin(ctx, runOf(ctx))
	if err != nil {
		return err
	}
	if ctx.Err() == nil {
		l.boot()
		select {
		case <-l.up:
		case <-ctx.Done():
		case <-l.over:
		}
		// Also if it is over by now: a supervisor that was up and ended has not
		// failed to start.
		if l.wasUp() && ctx.Ready() == nil { // else ctx is about to end
			select {
			case <-ctx.Done():
			case <-l.over:
			}
		}
	}
	late := l.startTimedOut()
	l.close(l.runCause(ctx))
	<-l.over
	if l.parent == nil {
		l.flush()
	} else {
		l.tree.outlive(l)
		l.parent.life.unlink(l.parent)
	}
	return and(late, l.err)
}

// startTimedOut returns what a nested supervisor was still starting, if it is being
// stopped because its start took too long.
func (l *life) startTimedOut() error {
	if l.wasUp() || l.parent == nil || l.parent.why() != machine.WhyTimeout {
		return nil
	}
	return l.stillStarting(l.parent.cause)
}

// begin makes a life.
func (s *Supervisor) begin(ctx context.Context, parent *run) (*life, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	declared := s.declared.Load() // once: Upgrade may come at any time
	if err := declared.fault; err != nil {
		if parent != nil {
			err = declared.spec.validate(parent.Path()) // where it stands was not known to New
		}
		return nil, err
	}
	l := newLife(s, &declared.spec, ctx, parent) // before the lock: ctx may be a user's own type
	s.mu.Lock()
	before := s.latest()
	if old := before; old != nil && !old.isOver() {
		s.mu.Unlock()
		if old.parent != nil && parent == nil {
			return nil, &ChildError{Path: old.path, Err: ErrNested}
		}
		return nil, &ChildError{Path: old.path, Err: ErrAlreadyStarted}
	}
	s.life.Store(l)
	s.mu.Unlock()
	if parent == nil {
		return l, nil
	}
	if err := parent.life.link(parent, l); err != nil {
		l.close(err) // for whoever has seen it already
		s.mu.Lock()
		s.life.Store(before)
		s.mu.Unlock()
		return nil, err
	}
	return l, nil
}

// stopCause is the cause that children see when the end of ctx stops the root.
func stopCause(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return &errs.Wrap{Sentinel: child.ErrStopped, Cause: cause}
	}
	return child.ErrStopped
}

// runCause is the cause that children see when the end of a run stops the
// supervisor in it: that of the run.
func (l *life) runCause(ctx context.Context) error {
	if r := l.parent; r != nil {
		r.life.mu.Lock()
		cause := r.cause
		r.life.mu.Unlock()
		if cause != nil && cause != context.Canceled { // else it has just returned
			return cause
		}
	}
	return stopCause(ctx)
}

// Stop stops the tree: children in reverse order, each within its stop timeout,
// all within Spec.StopTimeout. When ctx ends, all that are left are asked to
// stop at once; their own timeouts still hold, so the end of ctx does not mean
// the return of Stop. It returns nil, or a *StopError with the runs that were abandoned
// and those that returned an error while they were being stopped. Like Serve it waits a
// second at most for the log and for subscribers.
//
// It may be called at any time, from anywhere, and more than once: while the
// tree starts, that start is given up; while it stops, this call waits too;
// before the start there is nothing to do, and after the end only the log and
// subscribers are waited for. Called with the
// context of one of its own children, of any depth, it only asks and returns nil
// at once, as it would wait for its caller. On a nested supervisor it is
// ErrNested.
func (s *Supervisor) Stop(ctx context.Context) error {
	if ctx == nil {
		return errNilContext
	}
	l := s.latest()
	if l == nil {
		return nil
	}
	if l.isOver() {
		if l.parent == nil {
			l.flush()
		}
		return l.stopErr()
	}
	if l.parent != nil {
		return &ChildError{Path: l.path, Err: ErrNested}
	}
	if l.owns(ctx) {
		l.close(child.ErrStopped)
		return nil
	}
	l.close(child.ErrStopped)
	select {
	case <-l.over:
	case <-ctx.Done():
		l.hasten(child.ErrStopped)
		<-l.over
	}
	l.flush()
	return l.stopErr()
}

// Wait waits until the supervisor has ended, and returns what Serve returns. If
// it has ended already it returns that at once; before the first start it
// returns ErrNotRunning.
func (s *Supervisor) Wait() error {
	l := s.latest()
	if l == nil {
		return &ChildError{Path: s.Path(), Err: ErrNotRunning}
	}
	<-l.over
	l.flush()
	return l.err
}

// Done returns a channel that is closed when the supervisor has ended. Before
// the first start it is closed already: nothing runs.
func (s *Supervisor) Done() <-chan struct{} {
	if l := s.latest(); l != nil {
		return l.over
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// String returns the path and the strategy, for use in messages.
func (s *Supervisor) String() string {
	return fmt.Sprintf("%s (%v)", oneline.Text(s.Path()), s.spec().Strategy)
}
