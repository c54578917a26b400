package supervisor_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func seen(t *testing.T, run uint64) context.Context {
	return supervisor.WithRequest(t.Context(), supervisor.Request{By: "bob\n", Run: run})
}

func TestARequestForAnotherRunIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		run := lookup(t, sup, "a").Run
		require.NotZero(t, run)
		require.NoError(t, sup.RestartChild(seen(t, run), "a"))
		r := record(t, sup)
		for _, call := range []func(context.Context, ...string) error{sup.StopChild, sup.RestartChild, sup.RemoveChild} {
			err := call(seen(t, run), "a")
			require.ErrorIs(t, err, supervisor.ErrOtherRun)
			require.EqualError(t, err, "/root/a: another run by now: 2")
		}
		require.Empty(t, r.take(), "nothing happens, and no event says that it did")
		require.ErrorIs(t, sup.StopChild(seen(t, run), "gone"), supervisor.ErrNotFound)

		run = lookup(t, sup, "a").Run
		require.NoError(t, sup.StopChild(seen(t, run), "a"))
		require.NoError(t, sup.RestartChild(seen(t, run), "a"), "a stopped child keeps the number of its run")
		require.NoError(t, sup.RemoveChild(seen(t, run+1), "a"))
	})
}

func TestWhatAnOperatorRequestsIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newDiary(slog.LevelInfo)
		sup := start(t, supervisor.Spec{Logger: log.Logger, Children: []child.Spec{{Name: "a", Run: idle}}})
		ctx := seen(t, 0)
		require.NoError(t, sup.RestartChild(ctx, "a"))
		require.NoError(t, sup.StopChild(ctx, "a"))
		require.NoError(t, sup.RemoveChild(ctx, "a"))
		require.NoError(t, sup.StartChild(ctx, child.Spec{Name: "b", Run: idle}))
		sup.Suspend(ctx)
		sup.Resume(t.Context())
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		require.Equal(t, []string{
			`INFO request /root/a reason=restart-child by=bob\n`,
			`INFO request /root/a reason=stop-child by=bob\n`,
			`INFO request /root/a reason=remove-child by=bob\n`,
			`INFO request /root/b reason=start-child by=bob\n`,
			`INFO suspended /root by=bob\n`,
			`INFO resumed /root`,
		}, log.story()[1:])
	})
}

// No two runs of a tree have the same number, over restarts of supervisors and of the root.
func TestRunsAreNumberedOverTheWholeTree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "in", Run: inner.Run}}})
		r := record(t, sup, supervisor.EventStarting)
		seen := map[uint64]bool{}
		for range 2 {
			require.Equal(t, uint64(0), func() uint64 { st, _ := sup.Lookup("a"); return st.Run }())
			require.NoError(t, sup.Start(t.Context()))
			require.NoError(t, sup.RestartChild(t.Context(), "in", "a"))
			require.NoError(t, sup.RemoveChild(t.Context(), "a"))
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
			for _, e := range r.take() {
				require.NotZero(t, e.Run)
				require.False(t, seen[e.Run], "%d twice", e.Run)
				seen[e.Run] = true
			}
			for _, path := range []string{"a", "in", "in/x"} {
				require.True(t, seen[lookup(t, sup, path).Run])
			}
			require.NoError(t, sup.Stop(t.Context()))
		}
		require.Len(t, seen, 14)
	})
}

func TestRunNumberOfAContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec, runs, p := talker()
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		ctx := <-runs
		require.Equal(t, lookup(t, sup, "a").Run, supervisor.RunNumber(ctx))
		p.end(errBoom)
		next := <-runs
		require.Zero(t, supervisor.RunNumber(ctx), "it has another run")
		require.Equal(t, lookup(t, sup, "a").Run, supervisor.RunNumber(next))
		require.Zero(t, supervisor.RunNumber(t.Context()))
	})
}
