package supervisor_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A run may call the methods of its context at any time, also while Upgrade replaces the
// spec of its child. The race detector checks it.
func TestRunAsksItsContextDuringAnUpgrade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running sync.WaitGroup
		running.Add(1)
		upgraded := make(chan struct{})
		spec := supervisor.Spec{Children: []child.Spec{{Name: "a", Heartbeat: child.DefaultStopTimeout, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			running.Wait()
			for range 100 {
				require.Equal(t, "/root/a", ctx.Path())
				require.Zero(t, ctx.Restarts())
				ctx.Heartbeat()
			}
			<-upgraded
			return idle(ctx)
		}}}}
		sup := start(t, spec)
		running.Done()
		require.NoError(t, sup.Upgrade(spec))
		close(upgraded)
	})
}

// during is a log handler that calls a function once, when its level is asked for: a start
// has read the declaration then, and cannot be seen yet.
type during struct {
	slog.Handler
	do func()
}

func (h during) Enabled(context.Context, slog.Level) bool {
	h.do()
	return false
}

func TestADeclarationThatChangesWhileAStartBeginsIsTheOneThatStarts(t *testing.T) {
	for name, change := range map[string]func(sup *supervisor.Supervisor, want supervisor.Spec) error{
		"Upgrade": (*supervisor.Supervisor).Upgrade,
		"Apply": func(sup *supervisor.Supervisor, want supervisor.Spec) error {
			_, err := sup.Apply(context.Background(), want)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var sup *supervisor.Supervisor
				var once sync.Once
				sup = supervisor.New(supervisor.Spec{
					Logger: slog.New(during{slog.DiscardHandler, func() {
						once.Do(func() {
							want := sup.Spec()
							want.Children, want.MaxChildren = versions("b 1"), 1
							require.NoError(t, change(sup, want))
						})
					}}),
					Children: versions("a 1"),
				})
				require.NoError(t, sup.Start(t.Context()))
				require.Equal(t, []string{"b"}, names(sup.Children()))
				require.ErrorIs(t, sup.StartChild(t.Context(), versions("c")...), supervisor.ErrMaxChildren)
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}
