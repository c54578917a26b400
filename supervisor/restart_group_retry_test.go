package supervisor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A chain is a supervisor with the children a, b, c, d, of which b ends by its
// puppet, and c fails to start when failures is positive.
type chain struct {
	sup      *supervisor.Supervisor
	b        *puppet
	failures int
	recorded *recorder
}

func newChain(t *testing.T, spec supervisor.Spec, c child.Spec) *chain {
	ch := &chain{b: newPuppet()}
	c.Name = "c"
	c.Run = func(ctx child.Context) error {
		if ch.failures > 0 {
			ch.failures--
			return errBoom
		}
		return newPuppet().Run(ctx)
	}
	spec.Children = []child.Spec{
		{Name: "a", Run: newPuppet().Run},
		{Name: "b", Run: ch.b.Run},
		c,
		{Name: "d", Run: newPuppet().Run},
	}
	ch.sup = start(t, spec)
	ch.recorded = record(t, ch.sup)
	return ch
}

func (c *chain) requireStates(t *testing.T, want ...child.State) {
	t.Helper()
	var got []child.State
	for _, st := range c.sup.Children() {
		got = append(got, st.State)
	}
	require.Equal(t, want, got)
}

var restForOneUpToC = []string{"failed b", "restarting b", "stopping d", "stopped d", "stopping c", "stopped c",
	"starting b", "ready b", "starting c", "failed c"}

// As in OTP: the retry applies the strategy to the child that could not start.
func TestRestForOneRetriesFromTheChildThatCouldNotStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newChain(t, supervisor.Spec{Strategy: strategy.RestForOne}, child.Spec{})
		c.failures = 1
		c.b.end(errBoom)
		require.Equal(t, append(restForOneUpToC, "restarting c", "starting c", "ready c", "starting d", "ready d"), c.recorded.lines())
	})
}

func TestOneForAllRetriesFromTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newChain(t, supervisor.Spec{Strategy: strategy.OneForAll}, child.Spec{})
		c.failures = 1
		c.b.end(errBoom)
		require.Equal(t, []string{"failed b", "restarting b",
			"stopping d", "stopped d", "stopping c", "stopped c", "stopping a", "stopped a",
			"starting a", "ready a", "starting b", "ready b", "starting c", "failed c", "restarting c",
			"stopping b", "stopped b", "stopping a", "stopped a",
			"starting a", "ready a", "starting b", "ready b", "starting c", "ready c", "starting d", "ready d"}, c.recorded.lines())
	})
}

func TestFailedAttemptsInAGroupCount(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		for failures, survives := range map[int]bool{2: true, 3: false} { // a crash and two attempts
			bubble(t, func(t *testing.T) {
				c := newChain(t, supervisor.Spec{Strategy: s}, child.Spec{})
				c.failures = failures
				c.b.end(errBoom)
				if survives {
					require.NoError(t, c.sup.Health())
					return
				}
				require.EqualError(t, c.sup.Wait(), "/root: gave up: more than 3 restarts in 5s: /root/c: boom")
			})
		}
	}
}

var tenSeconds = child.Constant(10 * time.Second)

// The group is down for the backoff of the child that failed.
func TestGroupWaitsForTheBackoffOfTheChildThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := newChain(t, supervisor.Spec{Strategy: strategy.OneForAll, Backoff: tenSeconds}, child.Spec{})
		ch.b.end(errBoom)
		require.Equal(t, []string{"failed b",
			"stopping d", "stopped d", "stopping c", "stopped c", "stopping a", "stopped a", "restarting b"}, ch.recorded.lines())
		ch.requireStates(t, child.Stopped, child.Waiting, child.Stopped, child.Stopped)
		st, _ := ch.sup.Lookup("b")
		require.Equal(t, time.Now().Add(10*time.Second), st.NextStart)
		require.Contains(t, ch.sup.Tree().String(), "waiting   next start in 10s, last: boom")

		time.Sleep(10*time.Second - 1)
		require.Empty(t, ch.recorded.lines())
		time.Sleep(time.Nanosecond)
		require.Equal(t, []string{"starting a", "ready a", "starting b", "ready b", "starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
	})
}

// stuck returns a chain under RestForOne in which b has crashed, and c has not
// come up again and waits for its retry, with d stopped behind it.
func stuck(t *testing.T) *chain {
	ch := newChain(t, supervisor.Spec{Strategy: strategy.RestForOne}, child.Spec{Backoff: tenSeconds})
	ch.failures = 1
	ch.b.end(errBoom)
	require.Equal(t, append(restForOneUpToC, "restarting c"), ch.recorded.lines())
	ch.requireStates(t, child.Running, child.Running, child.Waiting, child.Stopped)
	return ch
}

func TestRetryOfAGroupWaitsForItsBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := stuck(t)
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
	})
}

// As in OTP, where it takes microseconds. Here it is reported.
func TestCancelledRetryLeavesLaterSiblingsStoppedAndReportsIt(t *testing.T) {
	for _, remove := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			ch := stuck(t)
			if remove {
				require.NoError(t, ch.sup.RemoveChild(t.Context(), "c"))
			} else {
				require.NoError(t, ch.sup.StopChild(t.Context(), "c"))
			}
			events := ch.recorded.take()
			require.GreaterOrEqual(t, len(events), 2)
			left := events[0]
			if left.Path == "/root/c" {
				left = events[1]
			}
			require.Equal(t, supervisor.EventStopped, left.Kind)
			require.Equal(t, "/root/d", left.Path)
			require.EqualError(t, left.Err, "left stopped: the restart of its group was cancelled")

			time.Sleep(time.Minute)
			require.Empty(t, ch.recorded.lines(), "nothing comes by itself")
			require.Equal(t, child.Stopped, state(t, ch.sup, "d"))
			require.ErrorContains(t, ch.sup.Health(), "/root/d: not ready: stopped")

			require.NoError(t, ch.sup.RestartChild(t.Context(), "d"), "a call may start it")
			ch.b.end(errBoom) // or the next group restart
			if remove {
				ch.requireStates(t, child.Running, child.Running, child.Running)
			} else {
				ch.requireStates(t, child.Running, child.Running, child.Running, child.Running)
			}
		})
	}
}

func TestRestartChildOfTheWaitingChildBringsItsGroupAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := stuck(t)
		at := time.Now()
		require.NoError(t, ch.sup.RestartChild(t.Context(), "c"))
		require.Equal(t, []string{"starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
		require.Equal(t, at, time.Now())
		time.Sleep(time.Minute)
		require.Empty(t, ch.recorded.lines(), "the retry does not come as well")
	})
}

// While b waits with its whole group down.
func TestRestartChildOfTheChildAGroupWaitsForBringsAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := newChain(t, supervisor.Spec{Strategy: strategy.OneForAll, Backoff: tenSeconds}, child.Spec{})
		ch.b.end(errBoom)
		ch.recorded.take()
		require.NoError(t, ch.sup.RestartChild(t.Context(), "b"))
		require.Equal(t, []string{"starting a", "ready a", "starting b", "ready b", "starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
		time.Sleep(time.Minute)
		require.Empty(t, ch.recorded.lines())
	})
}

// As in OTP: a sibling started by hand meanwhile is restarted by the retry.
func TestSiblingRestartedByHandIsRestartedAgainByTheRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := stuck(t)
		require.NoError(t, ch.sup.RestartChild(t.Context(), "d"))
		require.Equal(t, []string{"starting d", "ready d"}, ch.recorded.lines())
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"stopping d", "stopped d", "starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
	})
}

// Of overlapping failures the latest counts, and here it has no backoff.
func TestLaterGroupRestartIncludesAWaitingChildWithoutItsBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := stuck(t)
		ch.b.end(errBoom)
		require.Equal(t, []string{"failed b", "restarting b",
			"starting b", "ready b", "starting c", "ready c", "starting d", "ready d"}, ch.recorded.lines())
		time.Sleep(time.Minute)
		require.Empty(t, ch.recorded.lines(), "the retry does not come as well")
	})
}

// w has failed to start and waits. A failure of a restarts its group, and the time of
// its retry passes while the group stops. It starts with its group, and only once.
func TestRetryThatFallsDueWhileItsGroupStopsIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, w := newPuppet(), &flaky{puppet: newPuppet(), failures: 1}
		sup := start(t, supervisor.Spec{
			Strategy: strategy.RestForOne,
			Children: []child.Spec{
				{Name: "a", Run: a.Run},
				{Name: "b", Run: slow(0, 4*time.Second)},
				{Name: "w", Run: w.Run, Backoff: child.Constant(time.Second)},
			},
		})
		w.end(errBoom)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, w.starts, "and the second has failed")
		a.end(errBoom)
		st, _ := sup.Lookup("w")
		require.Zero(t, st.NextStart, "it comes with its group")
		time.Sleep(time.Minute)
		require.NoError(t, sup.Health())
		require.Equal(t, 3, w.starts)
	})
}

// The child that failed is stopped before its group is down. The others start without it.
func TestGroupComesUpWithoutALeaderThatWasStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: newPuppet().Run},
			{Name: "b", Run: b.Run, Backoff: tenSeconds},
			{Name: "c", Run: slow(0, time.Second)},
		}})
		b.end(errBoom)
		require.NoError(t, sup.StopChild(t.Context(), "b"))
		recorded := record(t, sup)
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"stopped c", "stopping a", "stopped a", "starting a", "ready a", "starting c", "ready c"}, recorded.lines())
		require.Equal(t, child.Stopped, state(t, sup, "b"))
	})
}

// A group continues without a child that declines or is done while the group starts.
func TestGroupContinuesWithoutAMemberThatDeclinesOrIsDone(t *testing.T) {
	for _, end := range []error{child.ErrIgnore, child.ErrDone} {
		bubble(t, func(t *testing.T) {
			b := newPuppet()
			again := false
			sup := start(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
				{Name: "b", Run: b.Run},
				{Name: "c", Run: func(ctx child.Context) error {
					if again {
						return end
					}
					again = true
					return newPuppet().Run(ctx)
				}},
				{Name: "d", Run: newPuppet().Run},
			}})
			recorded := record(t, sup)
			b.end(errBoom)
			require.Equal(t, []string{"failed b", "restarting b", "stopping d", "stopped d", "stopping c", "stopped c",
				"starting b", "ready b", "starting c", "completed c", "starting d", "ready d"}, recorded.lines())
			require.NoError(t, sup.Health())
		})
	}
}

func TestStopOfTheTreeWhileAGroupWaitsIsImmediate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ch := stuck(t)
		at := time.Now()
		require.NoError(t, ch.sup.Stop(t.Context()))
		require.Equal(t, at, time.Now())
		require.Equal(t, []string{"stopping b", "stopped b", "stopping a", "stopped a"}, ch.recorded.lines())
	})
}
