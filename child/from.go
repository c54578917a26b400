package child

import (
	"context"

	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/seal"
)

// FromContext returns the Context that ctx belongs to. It is never nil.
//
// Given a Context, it returns that. Given one derived from a Context, it
// returns a Context with the Done, deadline and values of ctx, and the rest of
// the run it was derived from. Given any other, it returns a stand-in, so that
// a Run can be tested and used without a supervisor: Ready succeeds until ctx
// has ended, Grace outlives ctx by at most 4.5 s (nine tenths of the default
// stop timeout), Path is empty, and the rest does nothing. The 4.5 s count from
// the end of ctx, or from this call if ctx had ended before, unless by its
// deadline. All calls of Grace return the same context. A nil ctx counts as
// context.Background().
func FromContext(ctx context.Context) Context {
	if ctx == nil {
		ctx = context.Background()
	}
	if c, ok := ctx.(Context); ok {
		return c
	}
	if run, ok := ctx.Value(runkey.Key{}).(Context); ok {
		return derived{Context: ctx, run: run}
	}
	return newStandIn(ctx)
}

// derived is a context made from a run's context, with the run's own calls.
type derived struct {
	context.Context
	seal.Seal
	run Context
}

func (d derived) Ready() error           { return d.run.Ready() }
func (d derived) Unready(err error)      { d.run.Unready(err) }
func (d derived) OnError(err error)      { d.run.OnError(err) }
func (d derived) ShouldHalt() bool       { return d.Err() != nil }
func (d derived) Grace() context.Context { return d.run.Grace() }
func (d derived) Heartbeat()             { d.run.Heartbeat() }
func (d derived) Path() string           { return d.run.Path() }
func (d derived) Restarts() int          { return d.run.Restarts() }
