// Package errs holds the errors that several packages must recognise and
// users need not name.
package errs

import "github.com/coppice-go/coppice/internal/oneline"

// Escalation is the error behind child.Escalate: it asks the supervisor to give up at once because of Err.
type Escalation struct{ Err error }

func (e *Escalation) Error() string {
	if e.Err == nil {
		return "escalated"
	}
	return "escalated: " + oneline.Of(e.Err)
}

func (e *Escalation) Unwrap() error { return e.Err }

// Wrap is an error of a known kind with what led to it. Its text is made
// when somebody asks for it: the reason may be a user's error, whose code must
// not run under a lock.
type Wrap struct {
	Sentinel error
	Cause    error
}

func (b *Wrap) Error() string { return oneline.Of(b.Sentinel) + ": " + oneline.Of(b.Cause) }

// Unwrap returns the kind first, so that the kind decides how it is judged.
func (b *Wrap) Unwrap() []error { return []error{b.Sentinel, b.Cause} }
