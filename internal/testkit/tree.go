// Package testkit runs a tree whose runs a test can hold, delay and end. It is what
// supervisortest and supervisortest/chaos share.
package testkit

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// A Trial is a tree under test: its root, and an injector of faults into all its
// runs.
type Tree struct {
	Spec     supervisor.Spec // as it was given
	Sup      *supervisor.Supervisor
	Injector *Injector
	Ctx      context.Context // to start it with
	Made     Bubble          // where it was made

	// Events is the supervisortest.Recorder of the tree, which this package cannot
	// name, or nil.
	Events any

	// Excused, if set, reports whether an unclean end of a run in the report of the
	// last stop is the work of the test itself.
	Excused func(end error) bool

	over chan struct{} // closed when the test has seen the stop
}

// overKey is where children find Trial.over.
type overKey struct{}

// Over returns a channel that is closed when the test of ctx's tree has seen its
// stop: children that hang go then, wherever in the tree they are. It is nil
// outside of a trial.
func Over(ctx context.Context) <-chan struct{} {
	over, _ := ctx.Value(overKey{}).(chan struct{})
	return over
}

// live are those that have not ended.
var live = struct {
	sync.Mutex
	of map[*supervisor.Supervisor]*Tree
}{of: make(map[*supervisor.Supervisor]*Tree)}

// Of returns the trial that sup is the root of, or nil.
func Of(sup *supervisor.Supervisor) *Tree {
	live.Lock()
	defer live.Unlock()
	return live.of[sup]
}

// New makes a tree, silent unless the spec has a logger. It does not start it.
func New(t testing.TB, spec supervisor.Spec) *Tree {
	tr := &Tree{Spec: spec, Injector: newInjector(), Made: Here(), over: make(chan struct{})}
	if spec.Logger == nil {
		spec.Logger = slog.New(slog.DiscardHandler)
	}
	spec.Around = supervisor.Arounds(tr.Injector.Around, spec.Around)
	tr.Sup = supervisor.New(spec)
	tr.Ctx = context.WithValue(t.Context(), overKey{}, tr.over)
	live.Lock()
	defer live.Unlock()
	live.of[tr.Sup] = tr
	return tr
}

// LetGo lets go of all that hangs, when the test has seen the stop.
func (tr *Tree) LetGo() {
	close(tr.over)
	tr.Injector.Release()
	live.Lock()
	defer live.Unlock()
	delete(live.of, tr.Sup)
}
