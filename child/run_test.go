package child_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
)

type valueKey struct{}

// A run imitates the Context of a supervisor: its value under runkey.Key is itself.
// It records the calls of its methods.
type run struct {
	child.Context
	calls []string
	grace context.Context
}

func newRun(ctx context.Context) *run {
	return &run{Context: child.FromContext(ctx), grace: context.Background()}
}

func (r *run) Value(key any) any {
	if key == (runkey.Key{}) {
		return child.Context(r)
	}
	return r.Context.Value(key)
}

func (r *run) Ready() error {
	r.calls = append(r.calls, "Ready")
	return r.Context.Ready()
}
func (r *run) Unready(err error)      { r.calls = append(r.calls, "Unready "+err.Error()) }
func (r *run) OnError(err error)      { r.calls = append(r.calls, "OnError "+err.Error()) }
func (r *run) Status(string)          { r.calls = append(r.calls, "Status") }
func (r *run) Heartbeat()             { r.calls = append(r.calls, "Heartbeat") }
func (r *run) Grace() context.Context { return r.grace }
func (r *run) Path() string           { return "/shop/api" }
func (r *run) Restarts() int          { return 7 }

// The interface is sealed, but a type that embeds a Context implements it.
func TestTypeThatEmbedsAContextIsAContext(t *testing.T) {
	var ctx child.Context = newRun(context.Background())
	require.Same(t, ctx, child.FromContext(ctx))
	require.Equal(t, "/shop/api", ctx.Path(), "what it overrides")
	require.False(t, ctx.ShouldHalt(), "what it does not")
}
