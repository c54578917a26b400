package httpserver

import "context"

// stoppingKey finds the channel of Stopping in the context of a request.
type stoppingKey struct{}

// Stopping returns a channel that is closed when the server that handles a
// request begins to stop. Call it with the context of the request, or with one
// derived from it.
//
// A handler that goes on until its client leaves (server-sent events, a long
// poll, a connection that it has hijacked) must select on the channel and end
// when it is closed. The context of the request is not enough: it ends when the
// time for a graceful stop is over, so that the stop takes all of that time, and
// with a StopTimeout of child.Forever it never ends.
//
// The channel is closed as soon as the child is asked to stop, before Spec.Drain
// begins. A request that comes during the drain finds it closed. It is closed
// too when the server is shut down by other code, and when it fails.
//
// Outside of a Server, as in a test with httptest, there is nothing that could
// stop: the channel is nil, and a select never chooses it.
func Stopping(ctx context.Context) <-chan struct{} {
	if ctx == nil {
		return nil
	}
	stopping, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return stopping
}
