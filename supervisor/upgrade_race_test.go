package supervisor_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// What a run may ask of its context it may ask at any time: also while Upgrade puts
// another spec in the place of its child's. The race detector is the judge.
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
