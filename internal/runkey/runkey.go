// Package runkey holds the key under which a run is found in its own context.
//
// It is a package of its own because two packages need the key and neither may
// import the other for it: context looks a run up, supervisor answers.
package runkey

// Key is the key. Its value is the run's context, as context.Context of Coppice.
type Key struct{}
