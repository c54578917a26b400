package child

import (
	"context"

	"github.com/coppice-go/coppice/internal/seal"
)

// A Context is what a child's Run is given: a real context.Context, made by
// context.WithCancelCause, and the methods by which the child talks to its
// supervisor. All of them may be called from any goroutine, at any time, also
// after Run has returned.
//
// Only the supervisor cancels it, when it is this child's turn to stop; the
// end of the context that the root was started with does not reach it
// directly, its values do. When Run returns the Context is cancelled too, so
// that what the run started with it ends. context.Cause reports why the run
// was stopped: ErrStopped, ErrRemoved, ErrSibling, ErrGaveUp, ErrStartTimeout
// or ErrHung, which wraps the cause of the root's context, such as the signal.
//
// The interface is sealed, so that methods can be added to it. A type that
// embeds a Context may override any of them.
type Context interface {
	context.Context

	// Ready reports that set-up is done: the next child starts, and the call
	// that asked for this start returns. It may be called again; after Unready
	// it reports that all is well again.
	//
	// It returns an error, the cause, when the run is being stopped, its start
	// was given up, or it has ended. Return that error at once.
	Ready() error

	// Unready reports that the child is not ready for the moment: its database
	// is away, say. Status and Health show err, and an event carries it; the
	// supervisor takes no action. Until Ready is called again, the time does
	// not count for Spec.ResetAfter. Before the first Ready, and once the run
	// is being stopped, Unready has no effect.
	Unready(err error)

	// OnError is a report, not a hook: it reports an error that does not end
	// the run. The error is emitted as an event of kind EventError and becomes
	// Status.LastError; nothing else happens. Nil has no effect.
	OnError(err error)

	// ShouldHalt reports whether the run should end: the poll form of Done.
	ShouldHalt() bool

	// Grace returns a context to clean up with. It has the same values and
	// outlives Done. It ends after nine tenths of the child's stop timeout, so
	// that there is time left for a forced close, or when Run returns.
	Grace() context.Context

	// Heartbeat feeds the watchdog that Spec.Heartbeat sets. Without one it
	// has no effect.
	Heartbeat()

	// Path returns the child's full path, such as /shop/jobs/job-17. It is
	// empty without a supervisor.
	Path() string

	// Restarts returns how often the supervisor had restarted this child
	// automatically before this run.
	Restarts() int

	seal.Sealed // only Coppice's own types have it, or one that embeds a Context
}

// A Runnable is anything with a Run method that follows the contract: set up,
// call ctx.Ready, work until ctx is done, clean up, return. Its method value
// goes into Spec.Run.
type Runnable interface {
	Run(Context) error
}
