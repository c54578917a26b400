package periodic_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

func TestRunningFindsTheJobsOfATree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := periodic.Spec{Every: time.Hour, Do: func(context.Context) error { return nil }}
		a, b := periodic.New(spec), periodic.New(spec)
		below := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "b", Run: b.Run}}})
		other := testkit.Root(t, supervisor.Spec{Name: "shop"})
		root := testkit.Root(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: a.Run}, {Name: "below", Run: below.Run}, {Name: "below2", Run: periodic.New(spec).Run},
		}})
		require.Empty(t, periodic.Running(root))
		require.Empty(t, periodic.Running(nil))
		require.NoError(t, root.Start(bg))
		require.NoError(t, other.Start(bg))
		all := periodic.Running(root)
		require.Len(t, all, 3)
		require.Same(t, a, all["/shop/a"])
		require.Same(t, b, all["/shop/below/b"])
		require.Equal(t, map[string]*periodic.Job{"/shop/below/b": b}, periodic.Running(below))
		require.Empty(t, periodic.Running(other))
		require.NoError(t, root.StopChild(bg, "a"))
		require.Len(t, periodic.Running(root), 2)
		require.NoError(t, root.Stop(bg))
		require.NoError(t, other.Stop(bg))
		require.Empty(t, periodic.Running(root))
	})
}

// An abandoned run does not hide the next one, and does not change what is known of it.
func TestAnAbandonedRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, release := 0, make(chan struct{})
		j := periodic.New(periodic.Spec{Every: time.Hour, AtStart: true, Do: func(context.Context) error {
			if n++; n == 1 {
				<-release
				return errBoom
			}
			return nil
		}})
		root := testkit.Root(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "a", Run: j.Run}}})
		require.NoError(t, root.Start(bg))
		synctest.Wait()
		require.Error(t, root.StopChild(bg, "a"))
		require.NoError(t, root.RestartChild(bg, "a"))
		synctest.Wait()
		require.Len(t, periodic.Running(root), 1)
		before := j.State()
		require.True(t, before.Running)
		require.EqualValues(t, 1, before.Calls)
		close(release)
		synctest.Wait()
		require.Equal(t, before, j.State())
		require.NoError(t, root.Stop(bg))
		require.Empty(t, periodic.Running(root))
	})
}
