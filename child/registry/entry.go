package registry

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
)

// An entry is a value and the run that it belongs to. A new value is a new entry.
type entry[V any] struct {
	value V
	owner child.Context
	left  atomic.Bool  // withdrawn before the end of the run
	self  [1]*entry[V] // see alone
}

// alone returns the entries of a key that has only this one. The slice is a part of the entry:
// most keys have one entry, and this saves an object, and a look into memory, for each.
func (e *entry[V]) alone() []*entry[V] {
	e.self[0] = e
	return e.self[:]
}

// alive reports whether the value may be returned. It asks the context, so that the entry
// ends at the same moment as its run. The context may be a user's type: no lock may be held.
func (e *entry[V]) alive() bool { return !e.left.Load() && e.owner.Err() == nil }

// isOver reports whether the entry has ended. The context of an owner may be a user's type:
// here, its panic must not end the process.
func (e *entry[V]) isOver() (over bool) {
	defer func() { _ = recover() }()
	return !e.alive()
}

// living returns the entries that are alive: the same slice if that is all of them.
func living[V any](entries []*entry[V]) []*entry[V] {
	for i, e := range entries {
		if e.alive() {
			continue
		}
		kept := append([]*entry[V](nil), entries[:i]...)
		for _, e := range entries[i+1:] {
			if e.alive() {
				kept = append(kept, e)
			}
		}
		return kept
	}
	return entries
}

// refusal returns why no entry can be made with this context, or nil.
func refusal(ctx child.Context) error {
	switch {
	case ctx == nil:
		return errors.New("registry: nil context")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// sameRun reports whether two contexts belong to the same run. Outside of a supervisor each
// context is a run of its own.
func sameRun(a, b child.Context) bool {
	if run := a.Value(runkey.Key{}); run != nil {
		return run == b.Value(runkey.Key{})
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// fateOf returns the fate of the child that a context belongs to, or nil outside of a
// supervisor.
func fateOf(ctx child.Context) runkey.Oracle {
	fate, _ := ctx.Value(runkey.Fate{}).(runkey.Oracle)
	return fate
}

// A past is the owner of an entry whose run has ended, after a sweep. It has the fate of the
// child, and does not keep the run in memory.
type past struct {
	child.Context // nil: only the methods below are called
	fate          runkey.Oracle
	queued        bool // it is gone for good, and counted; used only by the sweep
}

func (*past) Err() error     { return context.Canceled }
func (p *past) Path() string { return p.fate.Path() }

func (p *past) Value(key any) any {
	if key == (runkey.Fate{}) {
		return p.fate
	}
	return nil
}
