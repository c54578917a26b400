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

func TestTemporaryMembersOfAGroupAreRemovedNotRestarted(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newPuppet()
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: a.Run},
					{Name: "b", Run: newPuppet().Run, Restart: child.Temporary},
					{Name: "c", Run: newPuppet().Run},
				}})
				recorded := record(t, sup)
				a.end(errBoom)
				require.Equal(t, []string{"failed a", "restarting a",
					"stopping c", "stopped c", "stopping b", "stopped b", "removed b",
					"starting a", "ready a", "starting c", "ready c"}, recorded.lines())
				require.Equal(t, supervisor.Counts{Specs: 2, Active: 2, Workers: 2}, sup.Count())
				require.NoError(t, sup.Health())
			})
		})
	}
}

// idleGroup starts a to e: a was stopped by hand, b is a puppet, c is done, d
// declined to run, e was stopped by hand.
func idleGroup(t *testing.T, s strategy.Strategy) (sup *supervisor.Supervisor, b *puppet) {
	b, c := newPuppet(), newPuppet()
	declined := false
	sup = start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
		{Name: "a", Run: newPuppet().Run},
		{Name: "b", Run: b.Run},
		{Name: "c", Run: c.Run, Restart: child.Transient},
		{Name: "d", Run: func(ctx child.Context) error {
			if !declined {
				declined = true
				return child.ErrIgnore
			}
			return newPuppet().Run(ctx)
		}},
		{Name: "e", Run: newPuppet().Run},
	}})
	c.end(nil)
	require.NoError(t, sup.StopChild(t.Context(), "a", "e"))
	require.Equal(t, child.Done, state(t, sup, "c"))
	require.Equal(t, child.Stopped, state(t, sup, "d"))
	return sup, b
}

func TestOneForAllRevivesWhatWasStoppedIsDoneOrDeclined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, b := idleGroup(t, strategy.OneForAll)
		recorded := record(t, sup, supervisor.EventReady)
		b.end(errBoom)
		require.Equal(t, []string{"ready a", "ready b", "ready c", "ready d", "ready e"}, recorded.lines())
	})
}

func TestRestForOneRevivesOnlyLaterOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, b := idleGroup(t, strategy.RestForOne)
		recorded := record(t, sup, supervisor.EventReady)
		b.end(errBoom)
		require.Equal(t, []string{"ready b", "ready c", "ready d", "ready e"}, recorded.lines())
		require.Equal(t, child.Stopped, state(t, sup, "a"))
	})
}

func TestMembersOfAGroupSeeErrSiblingAsTheCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		var cause error
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: a.Run},
			{Name: "b", Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil
			})},
		}})
		recorded := record(t, sup, supervisor.EventStopping)
		a.end(errBoom)
		require.ErrorIs(t, cause, child.ErrSibling)
		require.ErrorIs(t, recorded.take()[0].Err, child.ErrSibling)
	})
}

// The group stops because of b. While c still stops, a fails by itself. It had to stop
// anyway, so that is no second failure.
func TestOverlappingFailuresInAGroupMerge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{
			Strategy:  strategy.OneForAll,
			Intensity: strategy.AtMost(1, time.Minute),
			Children: []child.Spec{
				{Name: "a", Run: a.Run},
				{Name: "b", Run: b.Run},
				{Name: "c", Run: slow(0, time.Second)},
			},
		})
		recorded := record(t, sup)
		b.end(errBoom)
		a.end(errBoom)
		events := recorded.take()
		require.Equal(t, supervisor.EventStopped, events[len(events)-1].Kind)
		require.Equal(t, "/root/a", events[len(events)-1].Path)
		require.Equal(t, errBoom, events[len(events)-1].Err, "the event has it")
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"stopped c", "starting a", "ready a", "starting b", "ready b", "starting c", "ready c"}, recorded.lines())
	})
}

// The group of c stops. While d still stops, b fails, which is not in the group. That
// is a second failure, and the group grows.
func TestFailureOutsideAGroupThatGoesDownWidensIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		want  []string
	}{
		{"and counts", 1, []string{"failed b", "gave-up", "stopped d", "stopping a", "stopped a"}},
		{"once", 2, []string{"failed b", "restarting b", "stopped d",
			"starting b", "ready b", "starting c", "ready c", "starting d", "ready d"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, p := newPuppet(), newPuppet()
				sup := start(t, supervisor.Spec{
					Strategy:  strategy.RestForOne,
					Intensity: strategy.AtMost(c.limit, time.Minute),
					Children: []child.Spec{
						{Name: "a", Run: newPuppet().Run},
						{Name: "b", Run: b.Run},
						{Name: "c", Run: p.Run},
						{Name: "d", Run: slow(0, time.Second)},
					},
				})
				recorded := record(t, sup)
				p.end(errBoom)
				require.Equal(t, []string{"failed c", "restarting c", "stopping d"}, recorded.lines())
				b.end(errBoom)
				time.Sleep(2 * time.Second)
				require.Equal(t, c.want, recorded.lines())
			})
		})
	}
}

// The group starts again. While b still starts, a fails, which is ready already.
func TestFailureWhileAGroupComesUpTakesItDownAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, c := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: a.Run},
			{Name: "b", Run: slow(time.Second, 0)},
			{Name: "c", Run: c.Run},
		}})
		recorded := record(t, sup)
		c.end(errBoom)
		require.Equal(t, []string{"failed c", "restarting c", "stopping b", "stopped b", "stopping a", "stopped a",
			"starting a", "ready a", "starting b"}, recorded.lines())
		a.end(errBoom)
		require.Equal(t, []string{"failed a", "restarting a", "stopping b", "stopped b",
			"starting a", "ready a", "starting b"}, recorded.lines())
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"ready b", "starting c", "ready c"}, recorded.lines())
	})
}

func TestChildStoppedByHandWhileItsGroupGoesDownStaysStopped(t *testing.T) {
	for _, name := range []string{"b", "c"} { // the one that failed, and one that is going down
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newPuppet()
				sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
					{Name: "a", Run: newPuppet().Run},
					{Name: "b", Run: b.Run},
					{Name: "c", Run: slow(0, time.Second)},
				}})
				b.end(errBoom)
				require.Equal(t, child.Waiting, state(t, sup, "b"))
				require.Equal(t, child.Stopping, state(t, sup, "c"))
				require.NoError(t, sup.StopChild(t.Context(), name))
				time.Sleep(2 * time.Second)
				for _, other := range []string{"a", "b", "c"} {
					want := child.Running
					if other == name {
						want = child.Stopped
					}
					require.Equal(t, want, state(t, sup, other), other)
				}
			})
		})
	}
}

func TestStartChildDuringAGroupRestartWaitsItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: a.Run},
			{Name: "b", Run: slow(0, time.Second)},
		}})
		recorded := record(t, sup)
		a.end(errBoom)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: newPuppet().Run}))
		require.Equal(t, []string{"failed a", "restarting a", "stopping b", "stopped b",
			"starting a", "ready a", "starting b", "ready b", "starting c", "ready c"}, recorded.lines())
	})
}

// A supervisor in a group is stopped depth first, and the group waits for it.
func TestSupervisorInAGroupRestartsWithAllBelowIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: newPuppet().Run},
			{Name: "y", Run: slow(0, time.Second)},
		}})
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: a.Run},
			{Name: "inner", Run: inner.Run},
		}})
		require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: "dynamic", Run: newPuppet().Run}))
		recorded := record(t, sup)
		a.end(errBoom)
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"failed a", "restarting a", "stopping inner",
			"stopping inner/dynamic", "stopped inner/dynamic", "stopping inner/y", "stopped inner/y",
			"stopping inner/x", "stopped inner/x", "stopped inner",
			"starting a", "ready a", "starting inner", "starting inner/x", "ready inner/x",
			"starting inner/y", "ready inner/y", "ready inner"}, recorded.lines())
		_, ok := sup.Lookup("inner/dynamic")
		require.False(t, ok, "as in OTP, it is forgotten")
	})
}

// An end without a restart leaves the other children of a group alone.
func TestChildStoppedByHandLeavesItsGroupAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: newPuppet().Run},
			{Name: "b", Run: newPuppet().Run},
		}})
		recorded := record(t, sup)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		synctest.Wait()
		require.Equal(t, []string{"stopping a", "stopped a", "starting a", "ready a"}, recorded.lines())
	})
}
