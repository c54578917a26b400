// Package context holds the type that a running child is given.
//
// Users do not import it: package child offers everything that stands here
// under the same names, and a file that imports only child cannot be mistaken
// for one that means the standard library's context.
package context

import (
	"context"

	"github.com/coppice-go/coppice/internal/seal"
)

// A Context is what a child's Run is given: a real context.Context, made by
// context.WithCancelCause, and the few calls by which the child talks to its
// supervisor. All methods may be called from any goroutine, at any time, also
// after Run returned.
//
// The supervisor alone cancels it, when this child's turn to stop has come:
// the end of the parent's context does not reach it. Its values are those of
// the context that the root was started with. When Run returns it is cancelled
// too, so that whatever the run started with it ends. context.Cause tells why
// the run was stopped: see child.ErrStopped and its neighbours.
//
// The interface is sealed, so that methods can be added to it. A type that
// embeds a Context may override any of them.
type Context interface {
	context.Context

	// Ready tells the supervisor that set-up is done: the next child starts,
	// and whoever asked for this start is answered. It may be called again; after
	// Unready it says that all is well again.
	//
	// It returns an error when the run is being stopped, its start was given
	// up, or it has ended: the cause of that. Return it at once.
	Ready() error

	// Unready says that the child is not ready for the moment: its database
	// is away, say. Status and Health show the error, and an event tells it; the
	// supervisor does nothing. Until Ready takes it back, the time does not count for
	// child.Spec.ResetAfter. Before the first Ready, and once the run is being
	// stopped, it has no effect.
	Unready(err error)

	// OnError reports an error that does not end the run. It is told as an
	// event and shown as the child's last error, no more. Nil has no effect.
	OnError(err error)

	// ShouldHalt reports whether the run is to end: the poll form of Done.
	ShouldHalt() bool

	// Grace returns a context to clean up with. It has the same values,
	// outlives Done, and ends when nine tenths of the child's stop timeout are
	// over, so that a forced close still fits in, or when Run returns.
	Grace() context.Context

	// Heartbeat feeds the watchdog that child.Spec.Heartbeat sets. Without
	// one it has no effect.
	Heartbeat()

	// Path returns the child's full path, as /shop/jobs/job-17. Outside of a
	// supervisor it is empty.
	Path() string

	// Restarts returns how often the supervisor had restarted this child by
	// itself before this run.
	Restarts() int

	seal.Sealed // only Coppice's own types have it, or one that embeds a Context
}
