package child

import "errors"

// Reasons for which a run is stopped, for errors.Is(context.Cause(ctx), child.ErrSibling)
// and so on. If the supervisor of a child is itself stopped, its cause is also the
// cause of the child, at every level below. If the tree is stopped by the end of the
// root's context, the cause also wraps the cause of that context.
var (
	// ErrStopped: the tree is being stopped, its supervisor ends by AutoShutdown, or
	// this child was stopped or restarted by a call.
	ErrStopped = errors.New("stopped")
	// ErrRemoved: the child was removed by a call, or its start is rolled back.
	ErrRemoved = errors.New("removed")
	// ErrSibling: the child is stopped with a sibling that failed, and restarted with it. Under
	// strategy.Graph also: a sibling that it needs is restarted or stopped by a call.
	ErrSibling = errors.New("stopped with a sibling")
	// ErrGaveUp: the supervisor of the child has given up, or could not start.
	ErrGaveUp = errors.New("the supervisor gave up")
	// ErrStartTimeout: the run was not ready within its StartTimeout.
	ErrStartTimeout = errors.New("start timeout")
	// ErrHung: the run did not call Heartbeat in time.
	ErrHung = errors.New("no heartbeat")
)
