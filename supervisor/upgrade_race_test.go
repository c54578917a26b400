package supervisor_test

import (
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
