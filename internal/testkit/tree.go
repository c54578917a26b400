// Package testkit is what supervisortest and supervisortest/chaos share: a tree into whose
// runs a test injects faults, and helpers for synctest bubbles. Idle, Root, Events, Next,
// RequireStopWaits, SocketFile and LeftoverSocket are for the tests of all packages.
package testkit

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/coppice-go/coppice/supervisor"
)

// A Tree is a tree under test: its root supervisor, and an injector of faults into all its
// runs.
type Tree struct {
	Spec     supervisor.Spec // the caller's
	Sup      *supervisor.Supervisor
	Injector *Injector
	Ctx      context.Context // to start it with
	Made     Bubble          // where it was created

	// Events is the supervisortest.Recorder of the tree, which this package cannot
	// name, or nil.
	Events any

	// Excused, if set, reports whether the test itself has caused an unclean end of a
	// run in the report of the last stop.
	Excused func(end error) bool

	over chan struct{} // closed when the test has seen the stop
}

// overKey is the context key of Tree.over.
type overKey struct{}

// Over returns a channel that is closed when the test of ctx's tree has seen its stop.
// Then children that hang return, at any depth. The channel is nil if ctx is not of a
// tree under test.
func Over(ctx context.Context) <-chan struct{} {
	over, _ := ctx.Value(overKey{}).(chan struct{})
	return over
}

// live are the trees whose tests have not ended.
var live = struct {
	sync.Mutex
	of map[*supervisor.Supervisor]*Tree
}{of: make(map[*supervisor.Supervisor]*Tree)}

// Of returns the tree under test whose root is sup, or nil.
func Of(sup *supervisor.Supervisor) *Tree {
	live.Lock()
	defer live.Unlock()
	return live.of[sup]
}

// New creates a tree under test, which logs nothing unless the spec has a Logger. It does
// not start it.
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

// LetGo releases whatever hangs, after the test has seen the stop.
func (tr *Tree) LetGo() {
	close(tr.over)
	tr.Injector.Release()
	live.Lock()
	defer live.Unlock()
	delete(live.of, tr.Sup)
}
