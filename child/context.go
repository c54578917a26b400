package child

import (
	stdcontext "context"
	"time"

	"github.com/coppice-go/coppice/context"
)

// Context is what a running child is given: a real context.Context and
//
//	Ready() error            // set-up is done; an error: return it at once
//	Unready(error)           // not ready for the moment; Ready takes it back
//	OnError(error)           // an error that does not end the run
//	ShouldHalt() bool        // the poll form of <-Done()
//	Grace() context.Context  // to clean up with, after Done
//	Heartbeat()              // feeds the watchdog, where Spec.Heartbeat is set
//	Path() string            // as /shop/jobs/job-17
//	Restarts() int           // automatic restarts before this run
//
// All may be called from any goroutine and at any time. The supervisor alone
// ends it, when this child's turn to stop has come; the end of the context that
// the root was started with does not reach it directly, its values do.
// context.Cause tells why it ended: ErrStopped, ErrRemoved, ErrSibling,
// ErrGaveUp, ErrStartTimeout or ErrHung, which wraps the cause of the root's
// context, such as the signal. When Run returns it is cancelled as well, so
// that what the run started with it ends.
//
// Ready returns an error when the run is being stopped, its start was given
// up, or it has ended. Grace has the same values, and ends at nine tenths of
// the stop timeout or when Run returns.
type Context = context.Context

// FromContext returns the Context that ctx is, or is derived from, with the
// Done, deadline and values of ctx. Outside of any supervisor it returns a
// stand-in, so that a Run can be tested and used alone. It is never nil, and
// takes a nil ctx for context.Background().
func FromContext(ctx stdcontext.Context) Context { return context.FromContext(ctx) }

// Sleep waits for d or until ctx ends, and reports whether it was ctx.
func Sleep(ctx stdcontext.Context, d time.Duration) (halted bool) { return context.Sleep(ctx, d) }

// A Runnable is anything with a Run method that follows the contract: set up,
// call ctx.Ready, work until ctx is done, clean up, return. Its method value
// goes into Spec.Run.
type Runnable interface {
	Run(Context) error
}
