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

func TestSuspendRefusesToStart(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: idle}}})
		sup.Suspend(t.Context())
		err := sup.StartChild(t.Context(), child.Spec{Name: "b", Run: mustNotRun})
		require.ErrorIs(t, err, supervisor.ErrSuspended)
		require.EqualError(t, err, "/root/b: suspended")
		require.ErrorIs(t, sup.RestartChild(t.Context(), "a"), supervisor.ErrSuspended)
		require.Equal(t, []string{"a"}, names(sup.Children(child.Running)), "what runs goes on")
		sup.Resume(t.Context())
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: idle}))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
	})
}

func TestChildThatFailsWhileSuspendedRestartsAfterResume(t *testing.T) {
	for name, backoff := range map[string]child.Backoff{"at once": nil, "after its backoff": child.Constant(time.Second)} {
		t.Run(name, func(t *testing.T) {
			underEach(t, func(t *testing.T, s strategy.Strategy) {
				p, q := newPuppet(), newPuppet()
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "p", Run: p.Run, Backoff: backoff}, {Name: "q", Run: q.Run, Backoff: backoff}, {Name: "c", Run: idle},
				}})
				sup.Suspend(t.Context())
				sup.Suspend(t.Context())
				q.end(errBoom)
				time.Sleep(time.Minute)
				if s != strategy.OneForAll { // else it is down already
					p.end(errBoom)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				require.NotContains(t, names(sup.Children(child.Starting, child.Running)), "p")
				require.NotContains(t, names(sup.Children(child.Starting, child.Running)), "q")
				require.Error(t, sup.Health())

				sup.Resume(t.Context())
				sup.Resume(t.Context())
				synctest.Wait()
				require.Len(t, sup.Children(child.Running), 3, "%v", sup.Tree())
				require.Equal(t, 1, lookup(t, sup, "p").Restarts)
				require.Equal(t, 1, lookup(t, sup, "q").Restarts)
				require.NoError(t, sup.Health())
			})
		})
	}
}

func TestResumeBeforeTheBackoffIsOverDoesNotCutItShort(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "p", Run: p.Run, Backoff: child.Constant(time.Minute)}}})
		began := time.Now()
		sup.Suspend(t.Context())
		p.end(errBoom)
		sup.Resume(t.Context())
		time.Sleep(time.Hour)
		require.Equal(t, began.Add(time.Minute), lookup(t, sup, "p").Since)
	})
}

// It waits since it failed, and not since its backoff was over.
func TestResumeIsAwaitedSinceTheFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "p", Run: p.Run, Backoff: child.Constant(time.Minute)}}})
		sup.Suspend(t.Context())
		p.end(errBoom)
		failed := lookup(t, sup, "p")
		require.Equal(t, failed.LastErrorAt, failed.Since)
		require.False(t, failed.NextStart.IsZero())
		time.Sleep(time.Hour)
		st := lookup(t, sup, "p")
		require.Equal(t, child.Waiting, st.State)
		require.Equal(t, failed.Since, st.Since)
		require.True(t, st.NextStart.IsZero())
	})
}

func TestFailuresCountWhileSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, q := newPuppet(), newPuppet()
		sup := newRoot(supervisor.Spec{Intensity: strategy.AtMost(1, time.Minute), Children: []child.Spec{
			{Name: "p", Run: p.Run}, {Name: "q", Run: q.Run},
		}})
		require.NoError(t, sup.Start(t.Context()))
		sup.Suspend(t.Context())
		p.end(errBoom)
		q.end(errBoom)
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, sup.Wait(), &gaveUp)
	})
}

func TestGroupRestartPausesWhereItHasComeToStarting(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "p", Run: p.Run}, {Name: "b", Run: slow(time.Second, time.Second)}, {Name: "c", Run: slow(time.Second, time.Second)},
				}})
				p.end(errBoom) // c and b stop in two seconds, then b is up after one
				time.Sleep(2500 * time.Millisecond)
				require.Equal(t, child.Starting, lookup(t, sup, "b").State)
				sup.Suspend(t.Context())
				time.Sleep(time.Minute)
				require.Equal(t, child.Running, lookup(t, sup, "b").State, "what had begun goes on")
				require.Equal(t, child.Waiting, lookup(t, sup, "c").State)
				sup.Resume(t.Context())
				time.Sleep(time.Second)
				require.Equal(t, child.Running, lookup(t, sup, "c").State)
			})
		})
	}
}

func TestGroupRestartGoesDownWhileSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "p", Run: p.Run}, {Name: "c", Run: idle},
		}})
		sup.Suspend(t.Context())
		p.end(errBoom)
		require.Len(t, sup.Children(child.Waiting), 3)
		require.NoError(t, sup.StopChild(t.Context(), "c"))
		require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		sup.Resume(t.Context())
		synctest.Wait()
		require.Equal(t, []string{"p"}, names(sup.Children(child.Running)))
		require.Equal(t, []string{"c"}, names(sup.Children(child.Stopped)))
	})
}

func TestStopsGoOnWhileSuspended(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "p", Run: p.Run}, {Name: "b", Run: slow(0, time.Second)}, {Name: "c", Run: slow(0, time.Second)},
		}})
		sup.Suspend(t.Context())
		require.NoError(t, sup.StopChild(t.Context(), "b"))
		p.end(errBoom)
		require.NoError(t, sup.StopChild(t.Context(), "p"), "one that waits")
		require.NotEmpty(t, sup.Children())
		require.NoError(t, sup.RemoveChild(t.Context(), "p"))
		sup.Resume(t.Context())
		synctest.Wait()
		_, found := sup.Lookup("p")
		require.False(t, found)
	})
}

func TestSuspendedSupervisorStops(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "p", Run: p.Run}, {Name: "b", Run: idle}}})
		sup.Suspend(t.Context())
		p.end(errBoom)
		require.NoError(t, sup.Stop(t.Context()))
		sup.Resume(t.Context())
		synctest.Wait()
		require.Zero(t, sup.Count().Active)
	})
}

func TestSuspendWhileStartingHoldsBackThoseThatHaveNotStarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(time.Second, 0)}, {Name: "b", Run: idle},
		}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		sup.Suspend(t.Context())
		time.Sleep(time.Minute)
		require.Equal(t, child.Running, lookup(t, sup, "a").State)
		require.Equal(t, child.Stopped, lookup(t, sup, "b").State)
		require.Empty(t, started)
		sup.Resume(t.Context())
		require.NoError(t, <-started)
		require.Equal(t, time.Minute, time.Since(began))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestRetryOfAStartIsHeldBackToo(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "db", Run: failsFirst(1), RetryStart: true, Backoff: child.Constant(time.Second)},
			{Name: "c", Run: idle},
		}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		sup.Suspend(t.Context())
		time.Sleep(time.Minute)
		require.Equal(t, child.Waiting, lookup(t, sup, "db").State)
		sup.Resume(t.Context())
		require.NoError(t, <-started)
		require.Len(t, sup.Children(child.Running), 3)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestRestartThatHasBegunToStopWaitsForResume(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "a", Run: slow(0, time.Second)}}})
		answer := make(chan error, 1)
		go func() { answer <- sup.RestartChild(context.Background(), "a") }()
		synctest.Wait()
		sup.Suspend(t.Context())
		time.Sleep(time.Minute)
		require.Equal(t, child.Waiting, lookup(t, sup, "a").State)
		require.Empty(t, answer)
		sup.Resume(t.Context())
		require.NoError(t, <-answer)
		require.Zero(t, lookup(t, sup, "a").Restarts)
	})
}

func TestSupervisorsBelowAreNotSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "p", Run: p.Run}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		sup.Suspend(t.Context())
		p.end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "inner/p"))
		require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: "b", Run: idle}))
	})
}

func TestSuspendOfOneThatDoesNotRunIsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		sup.Suspend(t.Context())
		sup.Resume(t.Context())
		sup.Suspend(t.Context())
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: idle}))
		sup.Suspend(t.Context())
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Start(t.Context()), "it does not reach the next run")
		require.NoError(t, sup.Stop(t.Context()))
	})
}

// asking is a context of the caller's own type that asks the supervisor for its values.
type asking struct {
	context.Context
	sup *supervisor.Supervisor
}

func (c asking) Value(key any) any {
	c.sup.Count()
	return c.Context.Value(key)
}

func TestSuspendAndResumeReadTheirContextWithoutALock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		for _, ctx := range []context.Context{asking{t.Context(), sup}, nil} {
			sup.Suspend(ctx)
			require.True(t, sup.Status().Suspended)
			sup.Resume(ctx)
			require.False(t, sup.Status().Suspended)
		}
	})
}
