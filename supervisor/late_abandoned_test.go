package supervisor_test

import (
	"context"
	"errors"
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

// A miner ignores the end of its context. Each run takes an order for what to do then.
// Without further orders it returns.
type miner struct {
	orders chan func(child.Context) error
}

func (m *miner) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	return m.digOn(ctx)
}

//go:noinline
func (m *miner) digOn(ctx child.Context) error {
	if order, more := <-m.orders; more {
		return order(ctx)
	}
	<-ctx.Done()
	return nil
}

func TestAbandonedRunIsReportedWithTheStackOfItsOwnGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &miner{make(chan func(child.Context) error)}
		defer close(m.orders)
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "x", Run: deaf.Run},
			{Name: "miner", Run: m.Run},
			{Name: "y", Run: deaf.Run},
		}})
		recorded := record(t, sup, supervisor.EventAbandoned)
		err := sup.Stop(t.Context())
		var stop *supervisor.StopError
		require.ErrorAs(t, err, &stop)
		events := recorded.take()
		require.Len(t, events, 3)
		require.Len(t, stop.Abandoned, 3)
		for i, e := range events {
			require.Equal(t, stop.Abandoned[i].Path, e.Path)
			require.Equal(t, string(stop.Abandoned[i].Stack), string(e.Stack))
			require.Equal(t, 5*time.Second, stop.Abandoned[i].After)
			if e.Path == "/root/miner" {
				require.Contains(t, string(e.Stack), "supervisor_test.(*miner).digOn")
				require.Contains(t, string(e.Stack), "late_abandoned_test.go")
				require.NotContains(t, string(e.Stack), "(*Child)")
			} else {
				require.Contains(t, string(e.Stack), "(*Child).stop")
				require.NotContains(t, string(e.Stack), "miner")
			}
		}
	})
}

func TestAbandonedRunIsCountedUntilItReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &miner{make(chan func(child.Context) error)}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "m", Run: m.Run, StopTimeout: time.Second}}})
		recorded := record(t, sup, supervisor.EventAbandoned, supervisor.EventLateExit)
		for n := range 3 {
			require.Equal(t, n, lookup(t, sup, "m").Abandoned)
			require.Equal(t, []string{"/root/m 1s"}, left(t, sup.RestartChild(t.Context(), "m")), "the next run works all the same")
			require.Equal(t, child.Running, lookup(t, sup, "m").State)
		}
		require.Equal(t, []string{"abandoned m", "abandoned m", "abandoned m"}, recorded.lines())
		for n := range 3 { // first come first served: they are older than the run that is up
			require.Equal(t, 3-n, lookup(t, sup, "m").Abandoned)
			m.orders <- func(child.Context) error { return errBoom }
			events := recorded.take()
			require.Len(t, events, 1)
			require.Equal(t, supervisor.EventLateExit, events[0].Kind)
			require.Equal(t, "/root/m", events[0].Path)
			require.Equal(t, errBoom, events[0].Err)
		}
		st := lookup(t, sup, "m")
		require.Equal(t, child.Running, st.State)
		require.Zero(t, st.Abandoned)
		require.Zero(t, st.Restarts)
		require.NoError(t, st.LastError)
		close(m.orders)
	})
}

func TestWhatAnAbandonedRunDoesChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := make(chan func(child.Context) error)
		runs := 0
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "m", StopTimeout: time.Second, Heartbeat: 100 * time.Hour, Run: func(ctx child.Context) error {
				if runs++; runs > 1 {
					return idle(ctx)
				}
				if err := ctx.Ready(); err != nil {
					return err
				}
				return (<-old)(ctx)
			}},
		}})
		require.Len(t, left(t, sup.RestartChild(t.Context(), "m")), 1)
		before := sup.Children()
		recorded := record(t, sup)
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: mustNotRun}}})
		done := make(chan struct{})
		old <- func(ctx child.Context) error {
			defer close(done)
			time.Sleep(time.Minute)
			require.ErrorIs(t, ctx.Ready(), child.ErrStopped)
			ctx.Unready(errBoom)
			ctx.OnError(errBoom)
			ctx.Heartbeat()
			require.True(t, ctx.ShouldHalt())
			require.Error(t, ctx.Grace().Err())
			require.ErrorIs(t, sup.StartChild(ctx, child.Spec{Name: "b", Run: mustNotRun}), child.ErrStopped)
			_ = inner.Run(ctx)
			synctest.Wait()
			require.Equal(t, before, sup.Children())
			panic(child.Escalate(errBoom))
		}
		<-done
		require.Equal(t, []string{"late-exit m"}, recorded.lines())
		before[1].Abandoned = 0
		require.Equal(t, before, sup.Children())
	})
}

func TestLateReturnAfterTheEndIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &miner{make(chan func(child.Context) error)}
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "m", Run: m.Run}}})
		require.NoError(t, sup.Start(t.Context()))
		recorded := record(t, sup, supervisor.EventLateExit, supervisor.EventFailed)
		require.Error(t, sup.Stop(t.Context()))
		require.Equal(t, 1, sup.Children()[0].Abandoned)

		require.NoError(t, sup.Start(t.Context()), "a new life")
		m.orders <- func(child.Context) error { return errBoom }
		require.Equal(t, []string{"late-exit m"}, recorded.lines())
		require.Equal(t, child.Running, lookup(t, sup, "m").State, "the older one took the order")
		require.Zero(t, lookup(t, sup, "m").Abandoned)
		close(m.orders)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestRunAbandonedByAGroupRestartDoesNotDelayTheGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		m := &miner{make(chan func(child.Context) error)}
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "p", Run: p.Run},
			{Name: "m", Run: m.Run, StopTimeout: time.Second},
			{Name: "b", Run: idle},
		}})
		began := time.Now()
		p.end(errBoom)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, st := range sup.Children() {
			require.Equal(t, child.Running, st.State, st.Name)
			require.Equal(t, began.Add(time.Second), st.Since, st.Name)
		}
		require.Equal(t, 1, lookup(t, sup, "m").Abandoned)
		close(m.orders)
	})
}

func TestStopReportCoversTheWholeSubtree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "z", Run: deaf.Run, StopTimeout: time.Second}}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "deep", Run: deep.Run}, {Name: "y", Run: deaf.Run, StopTimeout: time.Second},
		}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: deaf.Run, StopTimeout: time.Second},
			{Name: "inner", Run: inner.Run},
			{Name: "now", Run: deaf.Run, StopTimeout: child.AtOnce},
		}})
		err := sup.Stop(t.Context())
		require.Equal(t, []string{"/root/inner/y 1s", "/root/inner/deep/z 1s", "/root/a 1s"}, left(t, err),
			"in the order in which they were left, without the one that nobody was to wait for")
		require.EqualError(t, err,
			"3 children did not stop: /root/inner/y within 1s, /root/inner/deep/z within 1s, /root/a within 1s")
		require.Equal(t, err, sup.Wait())
		require.Equal(t, []string{"/root/inner/y 1s", "/root/inner/deep/z 1s"}, left(t, inner.Wait()))
		deaf.Release()
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
	})
}

// All abandon a run at the same moment, and each ends and reports its own.
func TestManySupervisorsOfATreeAbandonARunAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		var pools []child.Spec
		for i := range 20 {
			stuck := []child.Spec{{Name: "x", Run: deaf.Run}, {Name: "y", Run: deaf.Run}}
			pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Children: stuck})
			pools = append(pools, child.Spec{Name: fmt.Sprint(i), Run: pool.Run})
		}
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent, Children: pools})
		require.Len(t, left(t, sup.Stop(t.Context())), 40)
	})
}

func TestRunThatReturnsLateButBeforeTheStopIsOverIsNotListed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, 4*time.Second)},
			{Name: "b", Run: slow(0, 2*time.Second), StopTimeout: time.Second},
		}})
		recorded := record(t, sup, supervisor.EventAbandoned, supervisor.EventLateExit)
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{"abandoned b", "late-exit b"}, recorded.lines())
	})
}

func TestStopChildOfAStuckChildReportsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: deaf.Run, StopTimeout: time.Second}}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: deaf.Run, StopTimeout: 2 * time.Second},
			{Name: "now", Run: deaf.Run, StopTimeout: child.AtOnce},
			{Name: "inner", Run: inner.Run},
		}})
		err := sup.StopChild(t.Context(), "a", "now", "inner")
		all := err.(interface{ Unwrap() []error }).Unwrap()
		require.Len(t, all, 2)
		require.Equal(t, []string{"/root/a 2s"}, left(t, all[0]))
		require.Equal(t, []string{"/root/inner/x 1s"}, left(t, all[1]))
		require.False(t, errors.Is(err, context.DeadlineExceeded))
	})
}

// A supervisor that begins in an abandoned run does not belong to the child's latest run.
// The latest run has its own supervisor, and its full stop timeout.
func TestASupervisorInAnAbandonedRunIsNotThatOfTheChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		runs, goOn := 0, make(chan struct{})
		slow := child.Spec{Name: "slow", StopTimeout: time.Minute, Run: (&supervisortest.Child{StopAfter: 30 * time.Second}).Run}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if runs++; runs == 1 {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-goOn
				return supervisor.New(supervisor.Spec{}).Run(ctx)
			}
			return supervisor.New(supervisor.Spec{Children: []child.Spec{slow}}).Run(ctx)
		}}}})
		require.Len(t, left(t, sup.RestartChild(t.Context(), "a")), 1)
		close(goOn)
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
	})
}
