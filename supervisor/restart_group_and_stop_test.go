package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A group restart waits for the children of the group, not for a sibling before it that
// a caller stops at the same time.
func TestGroupRestartDoesNotWaitForAStopInFrontOfTheGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Minute), StopTimeout: time.Hour}, {Name: "b", Run: b.Run}, {Name: "c", Run: idle},
		}})
		stopped := make(chan error, 1)
		go func() { stopped <- sup.StopChild(t.Context(), "a") }()
		synctest.Wait()
		b.end(errBoom)
		for path, want := range map[string]child.State{"a": child.Stopping, "b": child.Running, "c": child.Running} {
			require.Equal(t, want, state(t, sup, path), path)
		}
		require.NoError(t, <-stopped)
		require.Equal(t, child.Stopped, state(t, sup, "a"))
	})
}

// A group stops in reverse order, one after another. A call that stops one of them
// meanwhile does not change that.
func TestGroupWaitsForItsOwnStopAlsoWhenACallerAsksForItToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "b", Run: b.Run}, {Name: "c", Run: slow(0, time.Minute), StopTimeout: time.Hour},
		}})
		b.end(errBoom)
		stopped := make(chan error, 1)
		go func() { stopped <- sup.StopChild(t.Context(), "c") }()
		synctest.Wait()
		st, _ := sup.Lookup("a")
		require.Zero(t, st.Restarts, "its turn has not come")
		require.NoError(t, <-stopped)
		synctest.Wait()
		for path, want := range map[string]child.State{"a": child.Running, "b": child.Running, "c": child.Stopped} {
			require.Equal(t, want, state(t, sup, path), path)
		}
		st, _ = sup.Lookup("a")
		require.Equal(t, 1, st.Restarts)
	})
}

func TestChildThatStaysStoppedIsReportedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: a.Run, Backoff: child.Constant(time.Hour)}, {Name: "x", Run: idle},
		}})
		a.end(errBoom)
		recorded := record(t, sup, supervisor.EventStopped)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.ElementsMatch(t, []string{"stopped a", "stopped x"}, recorded.lines())
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		a.end(errBoom)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"stopped a"}, recorded.lines(), "x has not run meanwhile")
		require.Equal(t, child.Stopped, state(t, sup, "x"))
	})
}

// A group restart may include a child that a caller is restarting and that is not ready
// yet. If it cannot start then, the children after it stay stopped, as in any start by hand.
func TestRestartByHandThatFailsWithinAGroupRestartLeavesTheRestStopped(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a, runs := newPuppet(), 0
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: a.Run},
					{Name: "b", Run: func(ctx child.Context) error {
						switch runs++; runs {
						case 2:
							return never(ctx)
						case 3:
							return errBoom
						}
						return idle(ctx)
					}},
					{Name: "c", Run: idle},
				}})
				restarted := make(chan error, 1)
				go func() { restarted <- sup.RestartChild(t.Context(), "b") }()
				synctest.Wait()
				recorded := record(t, sup, supervisor.EventStopped)
				a.end(errBoom)
				require.ErrorIs(t, <-restarted, errBoom)
				require.Equal(t, []string{"stopped c", "stopped b", "stopped c"}, recorded.lines(), "the last: it stays stopped")
				for path, want := range map[string]child.State{"a": child.Running, "b": child.Stopped, "c": child.Stopped} {
					require.Equal(t, want, state(t, sup, path), path)
				}
			})
		})
	}
}

// A child in front of a group may be started while the group is still going down.
func TestStartInFrontOfAGroupDoesNotWaitForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "b", Run: b.Run}, {Name: "c", Run: slow(0, time.Minute), StopTimeout: time.Hour},
		}})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		b.end(errBoom)
		require.Equal(t, child.Stopping, state(t, sup, "c"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, sup.RestartChild(ctx, "a"))
		require.Equal(t, child.Stopping, state(t, sup, "c"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, sup.Health())
	})
}

// Of two failures that overlap, the larger group counts with its backoff, here none.
func TestFailureWithoutABackoffEndsTheWaitOfAGroupWithin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b, c := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "b", Run: b.Run}, {Name: "c", Run: c.Run, Backoff: child.Constant(time.Hour)},
			{Name: "d", Run: slow(0, time.Minute), StopTimeout: time.Hour},
		}})
		c.end(errBoom)
		require.Equal(t, child.Stopping, state(t, sup, "d"))
		b.end(errBoom)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NoError(t, sup.Health())
	})
}

// A group restart may include a child whose backoff has not returned yet. The group
// restarts it, so the result does not count, even if the backoff gives up.
func TestAnswerOfABackoffIsIgnoredOnceAGroupRestartIncludesTheChild(t *testing.T) {
	for _, late := range []time.Duration{-1, time.Hour} {
		bubble(t, func(t *testing.T) {
			a, c, answer := newPuppet(), newPuppet(), make(chan time.Duration)
			sup := start(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
				{Name: "a", Run: a.Run},
				{Name: "b", Run: slow(0, time.Minute), StopTimeout: time.Hour},
				{Name: "c", Run: c.Run, Backoff: func() child.BackoffPolicy {
					return policy(func() time.Duration { return <-answer })
				}},
			}})
			c.end(errBoom)
			a.end(errBoom)
			require.Equal(t, child.Stopping, state(t, sup, "b"))
			recorded := record(t, sup, supervisor.EventRestarting, supervisor.EventGaveUp)
			answer <- late
			require.Empty(t, recorded.lines())
			time.Sleep(time.Minute)
			synctest.Wait()
			require.NoError(t, sup.Health())
		})
	}
}
