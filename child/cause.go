package child

import "errors"

// Why a run was stopped: errors.Is(context.Cause(ctx), child.ErrSibling) and
// so on. The cause of a child in a supervisor that is itself stopped is that of
// the supervisor, down to the last leaf. When the root is stopped by the end of
// its context, the cause wraps that context's cause too.
var (
	// ErrStopped: the tree is being stopped, or somebody asked for this child
	// to be stopped or restarted.
	ErrStopped = errors.New("stopped")
	// ErrRemoved: somebody asked for it to be removed, or its start was undone.
	ErrRemoved = errors.New("removed")
	// ErrSibling: it is restarted together with a sibling that failed.
	ErrSibling = errors.New("restarted with a sibling")
	// ErrGaveUp: its supervisor has given up, or could not start.
	ErrGaveUp = errors.New("the supervisor gave up")
	// ErrStartTimeout: it was not ready within its StartTimeout.
	ErrStartTimeout = errors.New("start timeout")
	// ErrHung: it let its Heartbeat pass.
	ErrHung = errors.New("no heartbeat")
)
