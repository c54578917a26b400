package supervisor

import (
	"context"

	"github.com/coppice-go/coppice/internal/enum"
)

// A Reason is why a child starts or stops, or why a supervisor ends. In logs and JSON it is
// text, such as "restart-child".
type Reason uint8

const (
	ReasonNone         Reason = iota // none is known
	ReasonBoot                       // its supervisor starts
	ReasonFailed                     // it failed, was late to be ready, or missed its heartbeat
	ReasonCompleted                  // it ended without a failure, and is restarted
	ReasonGroup                      // it is stopped or started together with another child: By
	ReasonStartChild                 // StartChild was called, or removes the child again because a start failed
	ReasonStopChild                  // StopChild was called
	ReasonRestartChild               // RestartChild was called
	ReasonRemoveChild                // RemoveChild was called
	ReasonShutdown                   // its supervisor is stopped, or has shut down by itself
	ReasonGaveUp                     // its supervisor gave up, or could not start
	ReasonApply                      // Apply was called
)

var reasons = enum.Of[Reason]("reason", "supervisor: no such reason",
	"none", "boot", "failed", "completed", "group", "start-child", "stop-child", "restart-child",
	"remove-child", "shutdown", "gave-up", "apply")

// String returns the name, such as "restart-child".
func (r Reason) String() string { return reasons.String(r) }

// MarshalText returns the name.
func (r Reason) MarshalText() ([]byte, error) { return reasons.MarshalText(r) }

// UnmarshalText accepts a name that String returns.
func (r *Reason) UnmarshalText(text []byte) error { return reasons.UnmarshalText(r, text) }

// A Request says more about a call that is made for a person or another program.
type Request struct {
	// By names the operator. A call with a By is logged and reported as an EventRequest
	// before it has any effect, and the events that follow from it have the same By.
	// EventSuspended, EventResumed, EventApplying and EventApplied have it without an
	// EventRequest before them.
	By string

	// Run, if it is not zero, is the number of the run that the operator has seen
	// (child.Status.Run). If the child has another by now, StopChild, RestartChild and
	// RemoveChild return ErrOtherRun and do nothing.
	Run uint64
}

// WithRequest returns a context for StartChild, StopChild, RestartChild, RemoveChild, Apply,
// Suspend and Resume that carries a Request.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

type requestKey struct{}

func requestOf(ctx context.Context) Request {
	if ctx == nil {
		return Request{}
	}
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}
