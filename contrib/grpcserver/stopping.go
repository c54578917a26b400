package grpcserver

import "context"

// stoppingKey is the context key of the channel that Stopping returns.
type stoppingKey struct{}

// Stopping returns a channel that is closed when the server that handles a call begins to
// stop. Call it with the context of the call, or with one derived from it.
//
// A handler of a stream that does not end by itself must select on the channel and return
// when it is closed. Waiting for the context of the call is not enough: that is cancelled
// only when the time for a graceful stop is over. The stop would take all of that time,
// and with a StopTimeout of child.Forever it would never end.
//
// The channel is closed as soon as the child is asked to stop, before Spec.Drain begins.
// For a call that arrives during the drain it is already closed. It is also closed when
// other code stops the server, and when the server fails.
//
// Without a Server, for example in a test that calls the handler, Stopping returns a nil
// channel, which a select never chooses.
func Stopping(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}
