// Package runkey holds the keys under which a run is found in its own context.
//
// It is a package of its own because child looks a run up, supervisor answers, and
// users must not name the keys.
package runkey

// Key is the key of a run. Its value is the run's context, as child.Context.
type Key struct{}

// Fate is the key of what becomes of the child that a run belongs to. Its value is an
// Oracle.
type Fate struct{}

// An Oracle knows whether a child is gone for good. It does not keep the run.
type Oracle interface {
	// Gone reports whether the child is gone for good, as far as is known: it has
	// ended or was removed and nothing brings it back, or its tree has ended. If it is
	// not, wake, which has room for one, gets something when that may have changed;
	// forget ends the watch.
	Gone(wake chan<- struct{}) (gone bool, forget func())

	// Path is where the child stands.
	Path() string
}
