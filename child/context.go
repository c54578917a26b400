package child

import (
	"context"

	"github.com/coppice-go/coppice/internal/seal"
)

// A Context is the argument of a child's Run: a context.Context with methods to
// talk to the supervisor. All methods may be called from any goroutine at any
// time, also after Run has returned.
//
// The supervisor cancels the Context when it is the child's turn to stop, and
// when Run returns, so that work started with it ends too. The Context has the
// values of the context that the root was started with, but the end of that
// context does not cancel it directly. It is a real context, made by
// context.WithCancelCause.
//
// context.Cause tells why the run was stopped: ErrStopped, ErrRemoved,
// ErrSibling, ErrGaveUp, ErrStartTimeout or ErrHung. If the tree is stopped by
// the end of the root's context, the cause also wraps the cause of that context,
// such as the signal.
//
// The interface is sealed: only Coppice implements it, so that methods can be
// added later. A type that embeds a Context is a Context too, and may override
// any of its methods. Outside of a supervisor FromContext makes one.
type Context interface {
	context.Context

	// Ready reports that set-up is done. The next child can start, and the call
	// that requested this start can return. Calling it again has no effect,
	// except after Unready: then it reports that the child has recovered.
	//
	// If the run is being stopped, its start was given up, or it has ended,
	// Ready returns the cause of that. Run must return this error at once. If
	// the stop begins during the call, Ready may also return nil.
	Ready() error

	// Unready reports that the child cannot do its work for now, for example
	// because its database is unreachable. Status and Health show err, and an
	// event of kind EventUnready carries it; the supervisor takes no action. Call
	// Ready when the child has recovered. The time in between does not count
	// towards Spec.ResetAfter. A nil err counts as ErrNotReady.
	//
	// Unready has no effect before the first Ready and once the run is being
	// stopped.
	Unready(err error)

	// OnError reports an error that does not end the run. It is a report, not a
	// hook: the error is emitted as an event of kind EventError and becomes
	// Status.LastError; nothing else happens. A nil err has no effect.
	OnError(err error)

	// ShouldHalt reports whether the run must end. It is the polling form of
	// Done.
	ShouldHalt() bool

	// Grace returns the context to clean up with. It has the same values, and
	// stays valid after this Context is done: for nine tenths of the child's stop
	// timeout, so that there is time left for a forced close. Without a stop
	// timeout (Forever) it has no such limit. It also ends when Run returns. All
	// calls in a run return the same context.
	Grace() context.Context

	// Status sets the text that the child says of itself, such as "standby", "lag 3 s"
	// or "12 of 64 shards". It becomes Status.Text, until the run ends or sets another;
	// an empty text removes it. An event of kind EventStatus carries it. A slow
	// subscriber receives only the latest text of a run. The first line counts, cut
	// to 200 bytes.
	//
	// Setting the same text again has no effect and costs little. After the run has
	// ended or was abandoned, Status has no effect.
	Status(text string)

	// Heartbeat tells the watchdog of Spec.Heartbeat that the child is alive.
	// Without a watchdog it has no effect.
	Heartbeat()

	// Path returns the child's full path, such as /shop/jobs/job-17. It is
	// empty outside of a supervisor.
	Path() string

	// Restarts returns how many times the supervisor had restarted this child
	// automatically before this run.
	Restarts() int

	seal.Sealed // implemented by Coppice's types and by types that embed a Context
}

// A Runnable has a Run method that follows the contract of this package: set up,
// call ctx.Ready, work until ctx is done, clean up, return. Put the method value
// into Spec.Run.
type Runnable interface {
	Run(Context) error
}
