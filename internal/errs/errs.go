// Package errs defines errors that several packages must recognise, and that users do not
// need to name.
package errs

import "github.com/coppice-go/coppice/internal/oneline"

// Escalation is the error that child.Escalate returns. It makes the supervisor give up at
// once, because of Err.
type Escalation struct{ Err error }

func (e *Escalation) Error() string {
	if e.Err == nil {
		return "escalated"
	}
	return "escalated: " + oneline.Of(e.Err)
}

func (e *Escalation) Unwrap() error { return e.Err }

// Wrap is a sentinel error together with its cause. Its text is made only when Error is
// called: the cause may be a user's error, whose code must not run under a lock.
type Wrap struct {
	Sentinel error
	Cause    error
}

func (w *Wrap) Error() string { return oneline.Of(w.Sentinel) + ": " + oneline.Of(w.Cause) }

// Unwrap returns the sentinel first, so that it decides how the error is classified.
func (w *Wrap) Unwrap() []error { return []error{w.Sentinel, w.Cause} }
