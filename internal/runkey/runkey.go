// Package runkey defines the context keys under which code finds the run that it belongs
// to.
//
// It is a separate package because child looks up these keys and supervisor provides
// the values, and users must not name them.
package runkey

// Key is the key of a run. Its value is the context of the run, a child.Context.
type Key struct{}

// Fate is the key of the fate of the run's child. Its value is an Oracle.
type Fate struct{}

// Heartbeat is the key of the Heartbeat of the run's child. Its value is a time.Duration,
// zero without a watchdog.
type Heartbeat struct{}

// StopTimeout is the key of the stop timeout of the run's child, as it was when the run began.
// Its value is a time.Duration, with the default filled in: zero for child.AtOnce.
type StopTimeout struct{}

// An Oracle reports whether a child is gone for good. It does not keep the run alive.
type Oracle interface {
	// Gone reports whether the child is gone for good, as far as is known: it has ended
	// or was removed and will not be started again, or its tree has ended. If it is not
	// gone, wake receives a value when that may have changed, until forget is called.
	// wake must have a buffer of one.
	Gone(wake chan<- struct{}) (gone bool, forget func())

	// Path returns the path of the child.
	Path() string
}
