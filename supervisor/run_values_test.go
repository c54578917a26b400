package supervisor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/runkey"
	"github.com/coppice-go/coppice/supervisor"
)

// A run that passes heartbeats on, such as that of a program, needs to know the period. That
// of an ancestor is not its own.
func TestARunKnowsThePeriodOfItsHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		periods := map[string]any{}
		note := func(ctx child.Context) error {
			periods[ctx.Path()] = ctx.Value(runkey.Heartbeat{})
			return ctx.Ready()
		}
		sub := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: note, Restart: child.Transient}}})
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "outer", Run: note, Restart: child.Transient, Heartbeat: time.Minute},
			{Name: "sub", Run: func(ctx child.Context) error {
				require.Equal(t, time.Hour, ctx.Value(runkey.Heartbeat{}))
				return sub.Run(ctx)
			}, Heartbeat: time.Hour},
		}})
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.Stop(t.Context()))
		require.Equal(t, map[string]any{"/root/outer": time.Minute, "/root/sub/inner": time.Duration(0)}, periods)
	})
}

func TestARunKnowsItsStopTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, c := range []struct{ set, want time.Duration }{
			{0, child.DefaultStopTimeout}, {time.Minute, time.Minute}, {child.Forever, child.Forever}, {child.AtOnce, 0},
		} {
			root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{
				Name: "one", StopTimeout: c.set, Restart: child.Transient, Run: func(ctx child.Context) error {
					require.Equal(t, c.want, ctx.Value(runkey.StopTimeout{}))
					return ctx.Ready()
				},
			}}})
			require.NoError(t, root.Start(t.Context()))
			require.NoError(t, root.Stop(t.Context()))
		}
	})
}
