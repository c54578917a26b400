package supervisor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// family of three: /shop/jobs/deep/x, with an a at each level.
func threeLevels(t *testing.T) (shop, jobs, deep *supervisor.Supervisor) {
	a := child.Spec{Name: "a", Run: idle}
	deep = supervisor.New(supervisor.Spec{Children: []child.Spec{a, {Name: "x", Run: idle}}})
	jobs = supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{a, {Name: "deep", Run: deep.Run}}})
	shop = start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{a, {Name: "jobs", Run: jobs.Run}}})
	return shop, jobs, deep
}

func TestChildIsNamedByNameRelativeOrFullPathFromAnySupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shop, jobs, deep := threeLevels(t)
		for _, tc := range []struct {
			from       *supervisor.Supervisor
			path, full string
		}{
			{shop, "a", "/shop/a"},
			{shop, "/shop/a", "/shop/a"},
			{shop, "jobs", "/shop/jobs"},
			{shop, "jobs/a", "/shop/jobs/a"},
			{shop, "jobs/deep/x", "/shop/jobs/deep/x"},
			{shop, "/shop/jobs/deep/x", "/shop/jobs/deep/x"},
			{jobs, "a", "/shop/jobs/a"},
			{jobs, "deep/x", "/shop/jobs/deep/x"},
			{jobs, "/shop/jobs/deep/x", "/shop/jobs/deep/x"},
			{jobs, "/shop/a", "/shop/a"},
			{jobs, "/shop/jobs", "/shop/jobs"},
			{deep, "x", "/shop/jobs/deep/x"},
			{deep, "/shop/a", "/shop/a"},
			{deep, "/shop/jobs/a", "/shop/jobs/a"},
			{deep, "/shop/jobs/deep/a", "/shop/jobs/deep/a"},
		} {
			st, found := tc.from.Lookup(tc.path)
			require.True(t, found, tc.path)
			require.Equal(t, tc.full, st.Path)
			recorded := record(t, shop, supervisor.EventStopping)
			require.NoError(t, tc.from.RestartChild(t.Context(), tc.path), tc.path)
			require.Equal(t, tc.full, recorded.take()[0].Path, "%s from %s", tc.path, tc.from.Path())
		}
	})
}

func TestUnknownPathIsNotFound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shop, jobs, deep := threeLevels(t)
		for _, tc := range []struct {
			from           *supervisor.Supervisor
			path, reported string
		}{
			{shop, "", "/shop/"},
			{shop, "/", "/"},
			{shop, "//", "//"},
			{shop, "nobody", "/shop/nobody"},
			{shop, "/shop", "/shop"},
			{shop, "/shop/", "/shop/"},
			{shop, "shop/a", "/shop/shop/a"},
			{shop, "a/", "/shop/a/"},
			{shop, "a/x", "/shop/a/x"},
			{shop, "jobs/", "/shop/jobs/"},
			{shop, "jobs//a", "/shop/jobs//a"},
			{shop, "/other/a", "/other/a"},
			{shop, "/shopper/a", "/shopper/a"},
			{shop, "../a", "/shop/../a"},
			{shop, "./a", "/shop/./a"},
			{jobs, "jobs", "/shop/jobs/jobs"},
			{jobs, "", "/shop/jobs/"},
			{deep, "/", "/"},
			{deep, "/deep/x", "/deep/x"},
		} {
			for _, call := range []func(*supervisor.Supervisor, context.Context, ...string) error{stopIt, restartIt} {
				err := call(tc.from, t.Context(), tc.path)
				require.ErrorIs(t, err, supervisor.ErrNotFound, tc.path)
				require.EqualError(t, err, tc.reported+": no such child")
			}
			require.NoError(t, tc.from.RemoveChild(t.Context(), tc.path), "what is not there need not be removed: %s", tc.path)
			_, found := tc.from.Lookup(tc.path)
			require.False(t, found, tc.path)
		}
		for status := range shop.Tree().All() {
			require.Equal(t, child.Running, status.State, status.Path)
		}
	})
}

func TestWhatTreePrintsCanBePastedBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		shop, _, deep := threeLevels(t)
		for status := range shop.Tree().All() {
			if status.Path != "/shop" {
				require.NoError(t, deep.Root().RestartChild(t.Context(), status.Path), status.Path)
			}
		}
	})
}

func TestNestedSupervisorIsStoppedAndRestartedByItsPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: "y", Run: idle}))
		require.NoError(t, inner.StopChild(t.Context(), "x"))

		require.NoError(t, inner.Root().StopChild(t.Context(), inner.Path()))
		require.ErrorIs(t, inner.StartChild(t.Context(), child.Spec{Name: "z", Run: mustNotRun}), supervisor.ErrNotRunning)
		require.ErrorIs(t, sup.StopChild(t.Context(), "inner/x"), supervisor.ErrNotFound)

		require.NoError(t, sup.RestartChild(t.Context(), "inner"))
		require.Equal(t, []string{"x"}, names(inner.Children(child.Running)), "from its spec")
		require.NoError(t, sup.StopChild(t.Context(), "inner/x"))
	})
}

func TestSupervisorMayRemoveItselfByItsPath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		require.NoError(t, inner.RemoveChild(t.Context(), inner.Path()))
		require.Empty(t, sup.Children())
		require.NoError(t, inner.Wait())
	})
}
