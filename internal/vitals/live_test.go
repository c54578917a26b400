package vitals_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/vitals"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestLiveUntilTheRootGivesUpOrHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := make(chan struct{})
		run := func(fail <-chan struct{}) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case <-fail:
					return errors.New("boom")
				case <-ctx.Done():
					time.Sleep(time.Second)
					return nil
				}
			}
		}
		root := supervisor.New(supervisor.Spec{
			Name: "shop", Logger: slog.New(slog.DiscardHandler), Drain: time.Second, Intensity: strategy.AtMost(0, time.Second),
			Children: []child.Spec{{Name: "a", Run: run(fail)}, {Name: "b", Run: run(nil)}},
		})
		require.NoError(t, vitals.Live(root), "not started")
		require.False(t, vitals.Ended(root.Status()))
		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, root.StopChild(t.Context(), "a"))
		require.Error(t, root.Health())
		require.NoError(t, vitals.Live(root), "up")

		go func() { _ = root.Stop(context.Background()) }()
		synctest.Wait()
		require.ErrorIs(t, root.Health(), supervisor.ErrDraining)
		require.NoError(t, vitals.Live(root), "draining")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, child.Stopping, root.Status().State)
		require.NoError(t, vitals.Live(root), "stopping")
		require.NoError(t, root.Wait())
		require.EqualError(t, vitals.Live(root), "/shop: ended")

		require.NoError(t, root.Start(t.Context()))
		require.NoError(t, vitals.Live(root), "started again")
		close(fail)
		synctest.Wait()
		require.EqualError(t, vitals.Live(root), "/shop: gave up", "b still stops")
		require.Error(t, root.Wait())
		require.EqualError(t, vitals.Live(root), "ended: /shop: gave up: more than 0 restarts in 1s: /shop/a: boom")
	})
}
