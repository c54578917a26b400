package readiness_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/readiness"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

var quiet = slog.New(slog.DiscardHandler)

// ready returns which children of a tree are ready, by their paths.
func ready(root *supervisor.Supervisor) map[string]bool {
	synctest.Wait()
	h, all := readiness.Of(root), map[string]bool{}
	var below func(t supervisor.Tree, covered bool)
	below = func(t supervisor.Tree, covered bool) {
		for _, c := range t.Children {
			covered := covered && !c.Added
			all[c.Path] = h.Child(&c.Status, t.State.Alive(), covered)
			below(c, covered)
		}
	}
	below(root.Tree(), true)
	return all
}

func TestAChildIsReadyIfItRunsHasCompletedOrDeclined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errBoom := errors.New("boom")
		unready := func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			<-ctx.Done()
			return nil
		}
		slow := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: (&supervisortest.Child{ReadyAfter: time.Hour}).Run},
		}})
		added := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "stopped", Run: testkit.Idle}, {Name: "idle", Run: testkit.Idle},
			{Name: "fails", Run: (&supervisortest.Child{RunFor: child.AtOnce, EndWith: errBoom}).Run, Backoff: child.Constant(time.Hour)},
		}})
		root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Drain: time.Minute, Children: []child.Spec{
			{Name: "idle", Run: testkit.Idle},
			{Name: "declined", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "task", Run: child.Task(func(context.Context) error { return nil }), Restart: child.Transient},
			{Name: "stopped", Run: testkit.Idle},
			{Name: "unready", Run: unready},
			{Name: "jobs", Run: slow.Run},
		}})
		require.Equal(t, map[string]bool{}, ready(root))

		started := make(chan error, 1)
		go func() { started <- root.Start(context.Background()) }()
		got := ready(root)
		require.False(t, got["/shop/jobs"], "Health names only what it waits for")
		require.False(t, got["/shop/jobs/db"])
		require.NoError(t, <-started)
		require.True(t, ready(root)["/shop/jobs"])

		require.NoError(t, root.StopChild(t.Context(), "stopped"))
		require.NoError(t, root.StartChild(t.Context(), child.Spec{Name: "added", Run: added.Run}))
		require.NoError(t, root.StopChild(t.Context(), "added/stopped"))
		got = ready(root)
		for path, want := range map[string]bool{
			"/shop/idle": true, "/shop/declined": true, "/shop/task": true, "/shop/stopped": false, "/shop/unready": false,
			"/shop/added": true, "/shop/added/idle": true, "/shop/added/stopped": false, "/shop/added/fails": false,
		} {
			require.Contains(t, got, path)
			require.Equal(t, want, got[path], path)
		}
		require.False(t, readiness.Of(root).Ready)
		require.False(t, readiness.Of(root).Draining)

		stopped := make(chan error, 1)
		go func() { stopped <- root.Stop(context.Background()) }()
		synctest.Wait()
		require.True(t, readiness.Of(root).Draining)
		require.NoError(t, <-stopped)
		require.False(t, readiness.Of(root).Draining)
		for path, yes := range ready(root) {
			require.False(t, yes, path)
		}
	})
}

// A child cannot make the root look as if it drains.
func TestOnlyTheRootDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(supervisor.ErrDraining)
			<-ctx.Done()
			return nil
		}}}})
		require.NoError(t, root.Start(context.Background()))
		synctest.Wait()
		h := readiness.Of(root)
		require.False(t, h.Ready)
		require.False(t, h.Draining)
		require.NoError(t, root.Stop(context.Background()))
	})
}
