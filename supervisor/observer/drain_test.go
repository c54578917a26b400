package observer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

func TestARootThatDrainsSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := declare(supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			defer time.Sleep(2 * time.Second)
			return idle(ctx)
		}}}})
		o := observe(t, root, observer.Spec{})
		state := func() (view.State, string) {
			synctest.Wait()
			v := get[view.Causes](t, o, "/causes.json")
			return v.State, v.Say
		}
		since := func() time.Duration { return time.Since(get[view.Causes](t, o, "/causes.json").Since) }
		for range 2 {
			require.NoError(t, root.Start(t.Context()))
			time.Sleep(time.Hour)
			got, _ := state()
			require.Equal(t, view.Well, got)
			go func() { _ = root.Stop(context.Background()) }()
			time.Sleep(time.Second)
			got, say := state()
			require.Equal(t, view.Stopping, got)
			require.Contains(t, say, "draining")
			require.Equal(t, time.Second, since(), "since it drains, not since it runs")
			time.Sleep(time.Minute)
			got, say = state()
			require.Equal(t, view.Stopping, got)
			require.Equal(t, "The root is stopping.", say, "the drain is over")
			require.Equal(t, time.Second, since())
			time.Sleep(2 * time.Second)
			got, _ = state()
			require.Equal(t, view.Down, got)
		}
	})
}

func TestASnapshotIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		o := observe(t, root, observer.Spec{})
		get[view.Tree](t, o, "/tree.json")
		get[view.Tree](t, o, "/tree.json")
		require.True(t, o.HasSnapshot())
		time.Sleep(11 * time.Second)
		require.False(t, o.HasSnapshot())
	})
}
