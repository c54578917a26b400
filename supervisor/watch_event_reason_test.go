package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// reasons returns the events since the last take as text, with the reason and the event that
// led to each: "stopping c: group by b, because failed b".
func (r *recorder) reasons() (lines []string) {
	news, events := r.take(), map[uint64]string{}
	for _, e := range r.Events() {
		events[e.Seq] = short(e)
	}
	for _, e := range news {
		line := short(e) + ": " + e.Reason.String()
		if e.By != "" {
			line += " by " + e.By
		}
		if e.Because > 0 {
			line += ", because " + events[e.Because]
		}
		lines = append(lines, line)
	}
	return lines
}

func short(e supervisor.Event) string { return e.Kind.String() + " " + e.Path[len("/root"):] }

// recorded starts a tree and records all of its events.
func recorded(t *testing.T, spec supervisor.Spec) (*supervisor.Supervisor, *recorder) {
	sup := newRoot(spec)
	r := record(t, sup, everyKind()...)
	require.NoError(t, sup.Start(t.Context()))
	t.Cleanup(func() { _ = sup.Stop(context.Background()) })
	return sup, r
}

func byAlice(t *testing.T) context.Context {
	return supervisor.WithRequest(t.Context(), supervisor.Request{By: "alice"})
}

func TestEventsOfARestartSayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		_, r := recorded(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "b", Run: p.Run, Backoff: child.Constant(time.Second)},
		}})
		require.Equal(t, []string{
			"starting /a: boot", "ready /a: none", "starting /b: boot", "ready /b: none", "up : none",
		}, r.reasons())

		p.end(errBoom)
		time.Sleep(time.Second)
		require.Equal(t, []string{
			"failed /b: failed", "restarting /b: failed, because failed /b",
			"starting /b: failed, because failed /b", "ready /b: failed, because failed /b",
		}, r.reasons())

		p.end(nil)
		time.Sleep(time.Second)
		require.Equal(t, []string{
			"completed /b: none", "restarting /b: completed, because completed /b",
			"starting /b: completed, because completed /b", "ready /b: completed, because completed /b",
		}, r.reasons())
	})
}

func TestEventsOfAGroupRestartSayWhichChildFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup, r := recorded(t, supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "b", Run: p.Run}, {Name: "c", Run: idle}, {Name: "d", Run: idle, Restart: child.Temporary},
		}})
		r.take()
		p.end(errBoom)
		because := ", because failed /b"
		require.Equal(t, []string{
			"failed /b: failed", "restarting /b: failed" + because,
			"stopping /d: group by /root/b" + because, "stopped /d: group by /root/b" + because, "removed /d: group by /root/b" + because,
			"stopping /c: group by /root/b" + because, "stopped /c: group by /root/b" + because,
			"starting /b: failed" + because, "ready /b: failed" + because,
			"starting /c: group by /root/b" + because, "ready /c: group by /root/b" + because,
		}, r.reasons())

		// One that was stopped by hand starts with the group.
		require.NoError(t, sup.StopChild(t.Context(), "c"))
		r.take()
		p.end(errBoom)
		lines := r.reasons()
		require.Equal(t, []string{"starting /c: group by /root/b" + because, "ready /c: none"}, lines[len(lines)-2:])
	})
}

func TestEventsOfRequestsSayWhichAndWho(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		r.take()
		ctx := byAlice(t)

		require.NoError(t, sup.RestartChild(ctx, "a"))
		why := ": restart-child by alice, because request /a"
		require.Equal(t, []string{"request /a: restart-child by alice", "stopping /a" + why, "stopped /a" + why, "starting /a" + why, "ready /a" + why}, r.reasons())

		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, []string{"stopping /a: restart-child", "stopped /a: restart-child", "starting /a: restart-child", "ready /a: restart-child"}, r.reasons())

		require.NoError(t, sup.StopChild(ctx, "a"))
		why = ": stop-child by alice, because request /a"
		require.Equal(t, []string{"request /a: stop-child by alice", "stopping /a" + why, "stopped /a" + why}, r.reasons())

		require.NoError(t, sup.RestartChild(ctx, "a"))
		why = ": restart-child by alice, because request /a"
		require.Equal(t, []string{"request /a: restart-child by alice", "starting /a" + why, "ready /a" + why}, r.reasons())

		require.NoError(t, sup.RemoveChild(ctx, "a"))
		why = ": remove-child by alice, because request /a"
		require.Equal(t, []string{"request /a: remove-child by alice", "stopping /a" + why, "stopped /a" + why, "removed /a" + why}, r.reasons())

		require.NoError(t, sup.StartChild(ctx, child.Spec{Name: "b", Run: idle, Restart: child.Temporary}))
		why = ": start-child by alice, because request /b"
		require.Equal(t, []string{"request /b: start-child by alice", "starting /b" + why, "ready /b" + why}, r.reasons())

		require.NoError(t, sup.StopChild(t.Context(), "b")) // which removes it, since it is Temporary
		require.Equal(t, []string{"stopping /b: stop-child", "stopped /b: stop-child", "removed /b: stop-child"}, r.reasons())

		require.ErrorIs(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: func(child.Context) error { return errBoom }}), errBoom)
		require.Equal(t, []string{"starting /c: start-child", "failed /c: failed", "removed /c: failed, because failed /c"}, r.reasons())

		sup.Suspend(ctx)
		sup.Suspend(ctx)
		sup.Resume(ctx)
		sup.Resume(t.Context())
		require.Equal(t, []string{"suspended : none by alice", "resumed : none by alice"}, r.reasons())
	})
}

func TestEventsOfAChildThatIsLateSayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		late := &supervisortest.Child{}
		_, r := recorded(t, supervisor.Spec{Backoff: child.Constant(time.Minute), Children: []child.Spec{
			{Name: "hangs", Run: idle, Heartbeat: time.Second},
			{Name: "late", Run: late.Run},
		}})
		r.take()
		time.Sleep(2 * time.Second)
		why := ": failed, because hung /hangs"
		require.Equal(t, []string{
			"hung /hangs: none", "stopping /hangs" + why, "stopped /hangs" + why, "failed /hangs" + why,
			"restarting /hangs: failed, because failed /hangs",
		}, r.reasons())
	})
}

// From the failure of a grandchild to the end of the root, one event leads to the next.
func TestAChainOfGiveUpsCanBeFollowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "x", Run: p.Run}}})
		_, r := recorded(t, supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "a", Run: idle}, {Name: "in", Run: inner.Run}}})
		r.take()
		p.end(errBoom)
		synctest.Wait()
		end := ": gave-up by /root/in, because closing "
		require.Equal(t, []string{
			"failed /in/x: failed", "gave-up /in: gave-up by /root/in/x, because failed /in/x",
			"closing /in: gave-up by /root/in/x, because gave-up /in", "over /in: gave-up by /root/in/x, because closing /in",
			"failed /in: failed, because gave-up /in", "gave-up : gave-up by /root/in, because failed /in",
			"closing : gave-up by /root/in, because gave-up ",
			"stopping /a" + end, "stopped /a" + end, "over " + end,
		}, r.reasons())
	})
}

func TestEventsOfTheEndSayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		sup, r := recorded(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		require.NoError(t, sup.RestartChild(byAlice(t), "in"))
		r.take()
		require.NoError(t, sup.RestartChild(byAlice(t), "in"))
		why, below := ": restart-child by alice, because request /in", ": shutdown by alice, because closing /in"
		require.Equal(t, []string{
			"request /in: restart-child by alice", "stopping /in" + why,
			"closing /in: shutdown by alice, because request /in", "stopping /in/x" + below, "stopped /in/x" + below, "over /in" + below,
			"stopped /in" + why, "starting /in" + why,
			"starting /in/x: boot", "ready /in/x: none", "up /in: none", "ready /in" + why,
		}, r.reasons())

		require.NoError(t, sup.Stop(t.Context()))
		root, in := ": shutdown, because closing ", ": shutdown, because closing /in"
		require.Equal(t, []string{
			"closing : shutdown", "stopping /in" + root, "closing /in" + root,
			"stopping /in/x" + in, "stopped /in/x" + in, "over /in" + in, "stopped /in" + root, "over " + root,
		}, r.reasons())

		// An AutoShutdown, and a start that fails.
		p := newPuppet()
		_, r = recorded(t, supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
			{Name: "main", Run: p.Run, Restart: child.Transient, Significant: true}, {Name: "a", Run: idle},
		}})
		r.take()
		p.end(nil)
		end := ": shutdown by /root/main, because closing "
		require.Equal(t, []string{"completed /main: none", "closing : shutdown by /root/main, because completed /main", "stopping /a" + end, "stopped /a" + end, "over " + end}, r.reasons())

		failing := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(child.Context) error { return errBoom }}}})
		r = record(t, failing, everyKind()...)
		require.Error(t, failing.Start(t.Context()))
		require.Equal(t, []string{
			"starting /a: boot", "failed /a: failed", "closing : gave-up by /root/a, because failed /a", "over : gave-up by /root/a, because closing ",
		}, r.reasons())
	})
}

// What is remembered of a child goes when it settles or is removed, also if only few kinds
// of events have a subscriber.
func TestReasonsOfAFewKinds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := newRoot(supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{{Name: "a", Run: p.Run}, {Name: "b", Run: idle}}})
		t.Cleanup(func() { _ = sup.Stop(context.Background()) })
		var got []string
		defer sup.Subscribe(func(e supervisor.Event) {
			got = append(got, fmt.Sprint(short(e), ": ", e.Reason, " ", e.By, " ", e.Because))
		}, supervisor.EventStarting)()
		require.NoError(t, sup.Start(t.Context()))
		p.end(errBoom)
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		p.end(errBoom)
		synctest.Wait()
		require.Equal(t, []string{
			"starting /a: boot  0", "starting /b: boot  0",
			"starting /a: failed  0", "starting /b: group /root/a 0",
			"starting /b: restart-child  0",
			"starting /a: failed  0", "starting /b: group /root/a 0",
		}, got)
	})
}

// A child that ends by itself while its siblings stop before it has stopped with them. Its
// own stop took no time.
func TestEventsOfAChildThatEndsBeforeItsTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		early, failing, slow := newPuppet(), newPuppet(), &supervisortest.Child{StopAfter: time.Second}
		sup, r := recorded(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "early", Run: early.Run}, {Name: "failing", Run: failing.Run}, {Name: "slow", Run: slow.Run},
		}})
		time.Sleep(time.Hour)
		stopped := func(why string) {
			early.end(nil)
			time.Sleep(time.Second)
			synctest.Wait()
			require.Contains(t, r.reasons(), "stopped /early: "+why)
			for _, e := range r.Events() {
				if e.Kind == supervisor.EventStopped && e.Path == "/root/early" {
					require.Zero(t, e.Took)
				}
			}
		}
		failing.end(errBoom)
		stopped("group by /root/failing, because failed /failing")
		go func() { _ = sup.Stop(context.Background()) }()
		stopped("shutdown, because closing ")
	})
}

// A request that is refused or changes nothing is not the reason of what comes later.
func TestEventsOfRequestsThatChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, slow := newPuppet(), &supervisortest.Child{StopAfter: time.Second}
		sup, r := recorded(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: p.Run}, {Name: "b", Run: idle}, {Name: "slow", Run: slow.Run},
		}})
		require.NoError(t, sup.StopChild(t.Context(), "b"))
		require.NoError(t, sup.StopChild(t.Context(), "b"))
		p.end(errBoom)
		time.Sleep(time.Second)
		require.Contains(t, r.reasons(), "starting /b: group by /root/a, because failed /a")

		for _, late := range []func(context.Context, ...string) error{sup.RestartChild, sup.StopChild} {
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "job", Run: slow.Run}))
			r.take()
			removed := make(chan error)
			go func() { removed <- sup.RemoveChild(t.Context(), "job") }()
			synctest.Wait()
			_ = late(byAlice(t), "job")
			require.NoError(t, <-removed)
			lines := r.reasons()
			require.Equal(t, []string{"stopped /job: remove-child", "removed /job: remove-child"}, lines[len(lines)-2:])
		}
	})
}

// When a StartChild fails, the children that it has started go for the same reason.
func TestEventsOfAStartThatIsRolledBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		r.take()
		require.ErrorIs(t, sup.StartChild(byAlice(t), child.Spec{Name: "x", Run: idle}, child.Spec{Name: "y", Run: func(child.Context) error { return errBoom }}), errBoom)
		x, y := ": start-child by alice, because request /x", ": start-child by alice, because request /y"
		require.Equal(t, []string{
			"request /x: start-child by alice", "starting /x" + x, "ready /x" + x,
			"request /y: start-child by alice", "starting /y" + y, "failed /y: failed", "removed /y: failed, because failed /y",
			"stopping /x" + x, "stopped /x" + x, "removed /x" + x,
		}, r.reasons())

		// The same while it still starts.
		ctx, cancel := context.WithCancel(byAlice(t))
		done := make(chan error)
		go func() { done <- sup.StartChild(ctx, child.Spec{Name: "x", Run: slow(time.Hour, 0)}) }()
		synctest.Wait()
		cancel()
		require.Error(t, <-done)
		require.Equal(t, []string{"request /x: start-child by alice", "starting /x" + x, "stopping /x" + x, "stopped /x" + x, "removed /x" + x}, r.reasons())
	})
}

// A child that was left stopped, because the restart of its group was cancelled, is started
// by the next restart of the group for the reason of that.
func TestEventsOfAChildThatWasLeftStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup, r := recorded(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(time.Minute)}, {Name: "b", Run: idle},
		}})
		p.end(errBoom)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		r.take()
		p.end(errBoom)
		time.Sleep(time.Minute)
		events := r.take()
		require.Equal(t, "failed /root/a: boom", events[0].String())
		started := 0
		for _, e := range events {
			if e.Kind == supervisor.EventStarting {
				started++
				require.Equal(t, events[0].Seq, e.Because, "%v", e)
			}
		}
		require.Equal(t, 2, started)
	})
}
