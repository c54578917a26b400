package supervisor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestTheEventsOfARunHaveItsNumberAlsoIfTheNextRunFollowsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		runs := make(map[supervisor.EventKind][]uint64)
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "db", Heartbeat: time.Minute, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			if ctx.Restarts() == 0 { // hangs
				<-ctx.Done()
				return nil
			}
			for !child.Sleep(ctx, time.Second) {
				ctx.Heartbeat()
			}
			return nil
		}}}})
		defer sup.Subscribe(func(e supervisor.Event) { runs[e.Kind] = append(runs[e.Kind], e.Run) })()
		require.NoError(t, sup.Start(t.Context()))
		time.Sleep(90 * time.Second)
		require.NoError(t, sup.RestartChild(t.Context(), "db"))
		synctest.Wait()
		require.Equal(t, []uint64{1, 2, 3}, runs[supervisor.EventStarting])
		require.Equal(t, []uint64{1, 2}, runs[supervisor.EventStopping])
		require.Equal(t, []uint64{1, 2}, runs[supervisor.EventStopped])
		require.Equal(t, []uint64{1}, runs[supervisor.EventFailed])
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestTheLateExitOfARunHasItsNumber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: deaf.Run, StopTimeout: time.Second}}})
		r := record(t, sup, supervisor.EventAbandoned, supervisor.EventLateExit)
		for range 2 {
			require.Error(t, sup.RestartChild(t.Context(), "a"))
		}
		deaf.Release()
		var runs []uint64
		for _, e := range r.take() {
			runs = append(runs, e.Run)
		}
		require.ElementsMatch(t, []uint64{1, 2, 1, 2}, runs)
	})
}
