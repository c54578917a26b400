package supervisor

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/errs"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/internal/oneline"
)

// Serve runs the supervisor as the root of a tree. It starts the children in order, runs
// until ctx ends, waits for Spec.Drain, stops them in reverse order within
// Spec.StopTimeout, and returns. The contexts of the children carry the values of ctx.
//
// Serve returns nil after an orderly stop, by ctx or by Stop, also if the stop came
// during the start. Otherwise it returns one of these errors: a *StopError if a run was
// abandoned or returned an error while it was being stopped; the *ChildError of the child
// that could not start; a *GaveUpError; after an AutoShutdown the *ChildError of the
// significant child, or nil if that child ended well. Before any child runs it may return
// the problems of the spec, ErrAlreadyStarted, ErrNested, or an error for a nil ctx.
//
// Before it returns, Serve waits for up to one second until the log and the subscribers
// have received the last events.
func (s *Supervisor) Serve(ctx context.Context) error {
	l, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	if l.bootAndWait(ctx) {
		select {
		case <-ctx.Done():
		case <-l.over:
		}
	}
	l.stop(stopCause(ctx))
	<-l.over
	l.flush()
	return l.err
}

// Start runs the supervisor as the root of a tree in the background. It returns nil when
// all declared children are ready. Like the context of a Dial, ctx bounds only the start,
// and its values are those of the children's contexts. Stop stops the tree; Wait and Done
// report its end.
//
// If a child cannot start or Stop is called, Start stops the children that were started
// in reverse order. It then returns the *ChildError of the child, a *GaveUpError if the
// supervisor gave up, or a *ChildError of the supervisor that wraps child.ErrStopped. If
// ctx ends first, all started children are asked to stop at once. The error then wraps the
// cause of ctx and names the children that were still starting.
//
// A failed start leaves nothing running, so Start may return later than ctx ends: each
// child has its stop timeout, and a child.Forever child has no limit. If all children are
// ready by the time Start notices the end of ctx, the start has succeeded. Errors before
// any child runs are those of Serve.
func (s *Supervisor) Start(ctx context.Context) error {
	l, err := s.begin(ctx, nil)
	if err != nil {
		return err
	}
	if l.bootAndWait(ctx) {
		return nil
	}
	var cause error
	if ctx.Err() != nil {
		cause = l.stillStarting(context.Cause(ctx))
		l.cancelAll(stopCause(ctx))
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

// Run runs the supervisor as a child: use it as child.Spec.Run. The supervisor is ready
// when all its declared children are. When ctx ends, it stops them in order and returns.
// Its errors are those of Serve.
//
// The supervisor joins the tree of the run that ctx belongs to, also if a type of your
// own wraps it. If ctx does not belong to a tree, the supervisor runs as a root.
func (s *Supervisor) Run(ctx child.Context) error {
	if ctx == nil {
		return errNilContext
	}
	l, err := s.begin(ctx, runOf(ctx))
	if err != nil {
		return err
	}
	// A supervisor that was up and has ended by now did not fail to start.
	if l.bootAndWait(ctx) && ctx.Ready() == nil { // otherwise ctx is about to end
		select {
		case <-ctx.Done():
		case <-l.over:
		}
	}
	late := l.startTimedOut()
	if l.parent == nil {
		l.stop(stopCause(ctx))
	} else {
		l.closeAsChild(ctx)
	}
	<-l.over
	if l.parent == nil {
		l.flush()
	} else {
		l.shared.outlive(l)
		l.parent.life.unlink(l.parent)
	}
	return and(late, l.err)
}

// startTimedOut returns an error that names the children that a nested supervisor was
// still starting, if it is being stopped because its start took too long.
func (l *life) startTimedOut() error {
	if l.wasUp() || l.parent == nil || l.parent.why() != machine.WhyTimeout {
		return nil
	}
	return l.stillStarting(l.parent.cause)
}

// begin creates a life and makes it the current one.
func (s *Supervisor) begin(ctx context.Context, parent *run) (*life, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	declared := s.declared.Load() // once: Upgrade may come at any time
	if err := declared.fault; err != nil {
		if parent != nil {
			err = declared.spec.validate(parent.Path()) // New did not know its path
		}
		return nil, err
	}
	l := newLife(s, &declared.spec, ctx, parent)
	before, err := s.replaceLife(l)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		if before != nil { // no two runs of a tree have the same number, over all starts
			l.shared.runs.Store(before.shared.runs.Load())
		}
		return l, nil
	}
	if err := parent.life.link(parent, l); err != nil {
		l.refuse(err)                    // for callers that have seen it already
		s.life.CompareAndSwap(l, before) // unless another has been started since
		return nil, err
	}
	return l, nil
}

// replaceLife makes l the current life, unless the one before it has not ended. It returns
// the one before, or nil if there was none.
func (s *Supervisor) replaceLife(l *life) (before *life, err error) {
	for {
		before = s.latest()
		switch {
		case before == nil || before.isOver():
			if s.life.CompareAndSwap(before, l) {
				return before, nil
			}
		case before.parent != nil && l.parent == nil:
			return nil, &ChildError{Path: before.path, Err: ErrNested}
		default:
			return nil, &ChildError{Path: before.path, Err: ErrAlreadyStarted}
		}
	}
}

// stopCause returns the cause that children see when the end of ctx stops the root.
func stopCause(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != nil {
		return &errs.Wrap{Sentinel: child.ErrStopped, Cause: cause}
	}
	return child.ErrStopped
}

// closeAsChild ends the supervisor because the run in which it runs ends, with the cause of
// that run.
func (l *life) closeAsChild(ctx context.Context) {
	r := l.parent
	r.life.lock()
	cause := r.cause
	asked, _ := r.life.whys.of.get(r.child)
	if r.why() == machine.WhyClosing {
		asked = r.life.whys.end
	}
	r.life.mu.Unlock()
	if cause == nil || cause == context.Canceled { // the run has just returned
		cause = stopCause(ctx)
	}
	l.closeFor(cause, asked)
}

// Stop stops the tree. It waits for Spec.Drain; then children stop in reverse order, each
// within its stop timeout, all of them within Spec.StopTimeout. When ctx ends, all remaining
// children are asked to stop at once. Their own timeouts still apply, so Stop may return
// later than ctx ends. If ctx ends during the drain, it ends only the drain.
// It returns nil, or a *StopError with the runs that were abandoned and those that
// returned an error while they were being stopped. Like Serve, it waits for up to one
// second for the log and for subscribers.
//
// Stop may be called at any time, from any goroutine, and more than once. While the tree
// starts, Stop cancels the start. While the tree stops, Stop waits too. Before the start
// it does nothing, and after the end it waits only for the log and the subscribers. If
// ctx is the context of a child of this supervisor, at any depth, Stop requests the stop
// and returns nil at once, because otherwise it would wait for its caller. On a nested
// supervisor it returns ErrNested.
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
		l.stop(child.ErrStopped)
		return nil
	}
	l.stopAndWait(ctx, child.ErrStopped)
	l.flush()
	return l.stopErr()
}

// Wait waits until the supervisor has ended, and returns what Serve returns. Like Serve, it
// waits for up to one second for the log and for subscribers, also if the supervisor has
// ended already. Before the first start it returns ErrNotRunning.
func (s *Supervisor) Wait() error {
	l := s.latest()
	if l == nil {
		return &ChildError{Path: s.Path(), Err: ErrNotRunning}
	}
	<-l.over
	l.flush()
	return l.err
}

// Done returns a channel that is closed when the supervisor has ended. Before the first
// start the channel is already closed, because nothing runs.
func (s *Supervisor) Done() <-chan struct{} {
	if l := s.latest(); l != nil {
		return l.over
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// String returns the path and the strategy, for messages.
func (s *Supervisor) String() string {
	return fmt.Sprintf("%s (%v)", oneline.Text(s.Path()), s.declaredSpec().Strategy)
}
