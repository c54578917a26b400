package child

import (
	"context"

	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/internal/seal"
)

// FromContext returns the Context of the run that ctx belongs to. It never
// returns nil.
//
//   - If ctx is a Context, FromContext returns ctx.
//   - If ctx is derived from the Context of a run under a supervisor, it returns
//     a Context with the Done, deadline and values of ctx. ShouldHalt goes by ctx too. The other methods
//     are those of the run: Ready, Grace, Path and so on.
//   - Otherwise it returns a detached Context, with which a Run can be tested and
//     used without a supervisor. Ready succeeds until ctx ends, and then returns
//     its cause. Grace outlives ctx by 4.5 s, nine tenths of the default stop
//     timeout. ShouldHalt goes by ctx, Path is empty and Restarts is zero;
//     Unready, OnError and Heartbeat have no effect. A nil ctx counts as
//     context.Background(). A context derived from a detached Context makes a
//     new one.
//
// The 4.5 s of a detached Context count from the end of ctx, however late Grace
// is called. If ctx had ended before FromContext was called, they count from its
// deadline if that is what ended it, and else from the call of FromContext.
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
	return newDetached(ctx)
}

// derived is a context derived from that of a run, with the methods of the run.
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
func (d derived) Status(text string)     { d.run.Status(text) }
func (d derived) Heartbeat()             { d.run.Heartbeat() }
func (d derived) Path() string           { return d.run.Path() }
func (d derived) Restarts() int          { return d.run.Restarts() }
