package supervisor_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// inEachState starts a supervisor with a child in each state, named after it.
func inEachState(t *testing.T) *supervisor.Supervisor {
	p := newPuppet()
	sup := start(t, supervisor.Spec{Children: []child.Spec{
		{Name: "running", Run: idle},
		{Name: "stopped", Run: idle},
		{Name: "waiting", Run: p.Run, Backoff: child.Constant(time.Hour)},
		{Name: "done", Run: child.Task(noWork)},
		{Name: "stopping", Run: slow(0, time.Second)},
	}})
	require.NoError(t, sup.StopChild(t.Context(), "stopped"))
	p.end(errBoom)
	go func() { _ = sup.StopChild(context.Background(), "stopping") }()
	go func() {
		_ = sup.StartChild(context.Background(), child.Spec{Name: "starting", Run: slow(time.Minute, 0)})
	}()
	synctest.Wait()
	for _, st := range sup.Children() {
		require.Equal(t, st.Name, st.State.String())
	}
	require.Len(t, sup.Children(), 6)
	return sup
}

func TestStopChildInEachState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := inEachState(t)
		for name, want := range map[string]struct {
			takes time.Duration
			after child.State
		}{
			"running":  {0, child.Stopped},
			"stopped":  {0, child.Stopped},
			"waiting":  {0, child.Stopped},
			"done":     {0, child.Stopped},
			"stopping": {time.Second, child.Stopped},
		} {
			began := time.Now()
			require.NoError(t, sup.StopChild(t.Context(), name), name)
			require.Equal(t, want.takes, time.Since(began), name)
			require.Equal(t, want.after, state(t, sup, name), name)
		}
		require.NoError(t, sup.StopChild(t.Context(), "starting"))
		synctest.Wait()
		_, found := sup.Lookup("starting")
		require.False(t, found, "the call that was starting it takes it back")
	})
}

func TestRemoveChildInEachState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := inEachState(t)
		began := time.Now()
		require.NoError(t, sup.RemoveChild(t.Context(), names(sup.Children())...))
		require.Equal(t, time.Second, time.Since(began), "one was stopping")
		require.Empty(t, sup.Children())
		time.Sleep(2 * time.Hour)
		require.Empty(t, sup.Children())
	})
}

func TestRestartChildInEachState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := inEachState(t)
		ready := record(t, sup, supervisor.EventStarting, supervisor.EventReady)
		for _, name := range []string{"running", "stopped", "waiting", "done", "stopping", "starting"} {
			began := time.Now()
			require.NoError(t, sup.RestartChild(t.Context(), name), name)
			require.Equal(t, []string{"starting " + name, "ready " + name}, ready.lines(), name)
			switch name {
			case "stopping":
				require.Equal(t, time.Second, time.Since(began), name)
			case "starting":
				require.Equal(t, time.Minute, time.Since(began), "it started over")
			default:
				require.Zero(t, time.Since(began), name)
			}
		}
		require.Zero(t, lookup(t, sup, "running").Restarts, "a restart by a call does not count")
		require.Zero(t, lookup(t, sup, "waiting").Restarts)
	})
}

func TestRestartChildThatFailsLeavesItStopped(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		tries := 0
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				if tries++; tries > 1 {
					return errBoom
				}
				return idle(ctx)
			}},
			{Name: "b", Run: idle},
		}})
		err := sup.RestartChild(t.Context(), "a")
		require.EqualError(t, err, "/root/a: boom")
		if s == strategy.Independent {
			require.Equal(t, []string{"b"}, names(sup.Children()))
		} else {
			require.Equal(t, child.Stopped, lookup(t, sup, "a").State)
			require.Equal(t, errBoom, lookup(t, sup, "a").LastError)
		}
		require.Equal(t, child.Running, lookup(t, sup, "b").State)
	})
}

func TestRestartChildWithRetryStartIsRetriedWhileTheCallWaits(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		runs := 0
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{
			Name: "a", RetryStart: true, Backoff: child.Constant(time.Minute),
			Run: func(ctx child.Context) error {
				if runs++; runs == 2 || runs == 3 {
					return errBoom
				}
				return idle(ctx)
			},
		}}})
		began := time.Now()
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, 2*time.Minute, time.Since(began))
	})
}

func TestRestartOfAWaitingChildBringsItsGroup(t *testing.T) {
	for s, want := range map[strategy.Strategy][]string{
		strategy.OneForOne:  {"starting b", "ready b"},
		strategy.RestForOne: {"starting b", "ready b", "starting c", "ready c"},
		strategy.OneForAll:  {"starting a", "ready a", "starting b", "ready b", "starting c", "ready c"},
	} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: idle}, {Name: "b", Run: p.Run, Backoff: child.Constant(time.Hour)}, {Name: "c", Run: idle},
				}})
				p.end(errBoom)
				recorded := record(t, sup, supervisor.EventStarting, supervisor.EventReady)
				began := time.Now()
				require.NoError(t, sup.RestartChild(t.Context(), "b"))
				require.Equal(t, want, recorded.lines())
				require.Zero(t, time.Since(began))
				require.Len(t, sup.Children(child.Running), 3)
			})
		})
	}
}

func TestStopChildOfAnIndependentSupervisorForgetsItsSpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "a", Run: slow(0, 2*time.Second)}, {Name: "b", Run: slow(0, 3*time.Second)}, {Name: "c", Run: idle},
		}})
		began := time.Now()
		require.NoError(t, sup.StopChild(t.Context(), "a", "b"))
		require.Equal(t, 3*time.Second, time.Since(began), "side by side")
		require.Equal(t, []string{"c"}, names(sup.Children()))
		require.ErrorIs(t, sup.RestartChild(t.Context(), "a"), supervisor.ErrNotFound)
		require.NoError(t, sup.RestartChild(t.Context(), "c"))
	})
}

func TestStopChildForgetsATemporaryChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle, Restart: child.Temporary}}})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Empty(t, sup.Children())
	})
}

func TestSeveralAreStoppedOneAfterAnotherAndErrorsAreJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)}, {Name: "b", Run: slow(0, time.Second)},
		}})
		began := time.Now()
		recorded := record(t, sup, stopKinds...)
		err := sup.StopChild(t.Context(), "a", "nobody", "b", "none/such")
		require.EqualError(t, err, "/root/nobody: no such child\n/root/none/such: no such child")
		require.ErrorIs(t, err, supervisor.ErrNotFound)
		require.Equal(t, []string{
			"stopping /root/a 0s", "stopped /root/a 1s", "stopping /root/b 1s", "stopped /root/b 2s",
		}, stops(recorded, began))
		require.NoError(t, sup.StopChild(t.Context()), "none is fine")
	})
}

func TestContextBoundsTheWaitNotTheWork(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: slow(time.Second, 3*time.Second)}, {Name: "b", Run: slow(time.Second, 3*time.Second)},
		}})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errBoom)
		defer cancel()
		began := time.Now()
		require.EqualError(t, sup.RestartChild(ctx, "a"), "/root/a: boom")
		require.EqualError(t, sup.StopChild(ctx, "b"), "/root/b: boom", "ctx has ended, and the child is stopped all the same")
		require.Equal(t, time.Second, time.Since(began))
		time.Sleep(time.Minute)
		require.Equal(t, child.Running, lookup(t, sup, "a").State)
		require.Empty(t, sup.Children(child.Running)[1:])
	})
}

// Whether the answer or the end of ctx is seen first must not be left to chance.
func TestAnswerThatIsReadyIsReturnedThoughTheContextHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			require.NoError(t, sup.StopChild(ctx, "a"))
			require.ErrorIs(t, sup.StopChild(ctx, "b"), supervisor.ErrNotFound)
		}
	})
}

func TestConflictingRequestsGetOneAnswerEach(t *testing.T) {
	type answers struct{ first, second, third error }
	for _, tc := range []struct {
		name  string
		calls [3]func(*supervisor.Supervisor, context.Context, ...string) error
		want  answers
		after child.State // of the child; Done: it is gone
	}{
		{"stop, then restart", calls(stopIt, restartIt, nil), answers{}, child.Running},
		{"restart, then stop", calls(restartIt, stopIt, nil), answers{first: child.ErrStopped}, child.Stopped},
		{"stop, then remove", calls(stopIt, removeIt, nil), answers{}, child.Done},
		{"remove, then stop", calls(removeIt, stopIt, nil), answers{}, child.Done},
		{"remove, then restart", calls(removeIt, restartIt, nil), answers{second: supervisor.ErrNotFound}, child.Done},
		{"restart, then remove", calls(restartIt, removeIt, nil), answers{first: child.ErrRemoved}, child.Done},
		{"stop, restart, remove", calls(stopIt, restartIt, removeIt), answers{second: child.ErrRemoved}, child.Done},
		{"restart, stop, restart", calls(restartIt, stopIt, restartIt), answers{}, child.Running},
		{"restart, remove, stop", calls(restartIt, removeIt, stopIt), answers{first: child.ErrRemoved}, child.Done},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(time.Second, time.Second)}}})
				var got [3]error
				var all sync.WaitGroup
				for i, call := range tc.calls {
					if call != nil {
						all.Go(func() { got[i] = call(sup, t.Context(), "a") })
						synctest.Wait()
					}
				}
				all.Wait()
				for i, want := range []error{tc.want.first, tc.want.second, tc.want.third} {
					require.ErrorIs(t, got[i], want, "call %d", i+1)
				}
				st, found := sup.Lookup("a")
				require.Equal(t, tc.after != child.Done, found)
				if found {
					require.Equal(t, tc.after, st.State)
				}
			})
		})
	}
}

var (
	stopIt    = (*supervisor.Supervisor).StopChild
	restartIt = (*supervisor.Supervisor).RestartChild
	removeIt  = (*supervisor.Supervisor).RemoveChild
)

func calls(a, b, c func(*supervisor.Supervisor, context.Context, ...string) error) [3]func(*supervisor.Supervisor, context.Context, ...string) error {
	return [...]func(*supervisor.Supervisor, context.Context, ...string) error{a, b, c}
}

func TestChildMayStopRestartOrRemoveItself(t *testing.T) {
	for name, tc := range map[string]struct {
		call  func(*supervisor.Supervisor, context.Context, ...string) error
		own   bool // with its own context
		takes time.Duration
		cause error
		after []string
	}{
		"stop":                       {stopIt, true, 0, child.ErrStopped, nil},
		"remove":                     {removeIt, true, 0, child.ErrRemoved, nil},
		"restart":                    {restartIt, true, 0, child.ErrStopped, []string{"a"}},
		"stop, and wait for oneself": {stopIt, false, 5 * time.Second, child.ErrStopped, nil},
		"restart, and wait":          {restartIt, false, 5 * time.Second, child.ErrStopped, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				runs := 0
				took := make(chan time.Duration, 1)
				causes := make(chan error, 1)
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
					if runs++; runs > 1 {
						return idle(ctx)
					}
					if err := ctx.Ready(); err != nil {
						return err
					}
					sup, _ := supervisor.FromContext(ctx)
					with := context.Context(ctx)
					if !tc.own {
						with = context.Background()
					}
					began := time.Now()
					err := tc.call(sup, with, ctx.Path())
					took <- time.Since(began)
					causes <- context.Cause(ctx)
					return err
				}}}})
				require.Equal(t, tc.takes, <-took)
				require.Equal(t, tc.cause, <-causes)
				synctest.Wait()
				require.Equal(t, tc.after, append([]string(nil), names(sup.Children(child.Running))...))
			})
		})
	}
}

func TestRequestsToASupervisorThatDoesNotRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(0, time.Second)}}})
		refused := func(when string) {
			for name, call := range map[string]func(*supervisor.Supervisor, context.Context, ...string) error{
				"stop": stopIt, "restart": restartIt, "remove": removeIt,
			} {
				require.ErrorIs(t, call(sup, t.Context(), "a"), supervisor.ErrNotRunning, "%s %s", name, when)
			}
		}
		refused("before the start")
		require.NoError(t, sup.Start(t.Context()))
		go func() { _ = sup.Stop(t.Context()) }()
		synctest.Wait()
		refused("while it stops")
		<-sup.Done()
		refused("after the end")
	})
}

func TestStopAnswersThoseThatWaitForAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(time.Second, 3*time.Second)}, {Name: "b", Run: slow(time.Second, 3*time.Second)},
		}})
		stopped, restarted := make(chan error, 1), make(chan error, 1)
		go func() { stopped <- sup.StopChild(context.Background(), "a") }()
		go func() { restarted <- sup.RestartChild(context.Background(), "b") }()
		time.Sleep(time.Second)
		go func() { _ = sup.Stop(context.Background()) }()
		synctest.Wait()
		require.ErrorIs(t, <-restarted, supervisor.ErrNotRunning, "at once: it will not come")
		require.NoError(t, <-stopped, "its stop has come")
		<-sup.Done()
	})
}

func TestRequestsFromASubscriber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Restart: child.Transient}, {Name: "b", Run: idle}, {Name: "c", Run: idle},
		}})
		answers := make(chan error, 3)
		defer sup.Subscribe(func(supervisor.Event) {
			answers <- sup.RestartChild(context.Background(), "a")
			answers <- sup.StopChild(context.Background(), "b")
			answers <- sup.RemoveChild(context.Background(), "c")
		}, supervisor.EventCompleted)()
		p.end(nil)
		for range 3 {
			require.NoError(t, <-answers)
		}
		require.Equal(t, []string{"a", "b"}, names(sup.Children()))
		require.Equal(t, []string{"a"}, names(sup.Children(child.Running)))
	})
}

func TestChildIsStoppedWhileItsGroupRestarts(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		for _, name := range []string{"a", "b", "c", "d"} {
			for phase, at := range map[string]time.Duration{"going down": 500 * time.Millisecond, "coming up": 3500 * time.Millisecond} {
				t.Run(s.String()+" "+name+" "+phase, func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						p := newPuppet()
						sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
							{Name: "a", Run: p.Run}, {Name: "b", Run: slow(time.Second, time.Second)},
							{Name: "c", Run: slow(time.Second, time.Second)}, {Name: "d", Run: slow(time.Second, time.Second)},
						}})
						p.end(errBoom)
						time.Sleep(at)
						require.NoError(t, sup.StopChild(t.Context(), name))
						time.Sleep(time.Minute)
						require.Equal(t, child.Stopped, lookup(t, sup, name).State)
						require.Len(t, sup.Children(child.Running), 3, "the others are back:\n%v", sup.Tree())
					})
				})
			}
		}
	}
}

func TestRequestGetsItsErrorWithThePath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Name: "shop"})
		err := sup.RestartChild(t.Context(), "a")
		var of *supervisor.ChildError
		require.True(t, errors.As(err, &of))
		require.Equal(t, "/shop/a", of.Path)
	})
}

func TestChildThatStartsIsStoppedAndTheBootContinues(t *testing.T) {
	for name, call := range map[string]func(*supervisor.Supervisor, context.Context, ...string) error{"stop": stopIt, "remove": removeIt} {
		t.Run(name, func(t *testing.T) {
			underEach(t, func(t *testing.T, s strategy.Strategy) {
				sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: idle}, {Name: "b", Run: slow(time.Hour, time.Second)}, {Name: "c", Run: idle},
				}})
				started := make(chan error, 1)
				go func() { started <- sup.Start(t.Context()) }()
				synctest.Wait()
				require.NoError(t, call(sup, t.Context(), "b"))
				require.NoError(t, <-started)
				require.Equal(t, []string{"a", "c"}, names(sup.Children(child.Running)))
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}

func TestChildThatStartsIsRestartedAndTheBootContinues(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		runs := 0
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "b", Run: func(ctx child.Context) error {
				if runs++; runs == 1 {
					return never(ctx)
				}
				return idle(ctx)
			}},
			{Name: "c", Run: idle},
		}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.NoError(t, sup.RestartChild(t.Context(), "b"))
		require.NoError(t, <-started)
		require.Len(t, sup.Children(child.Running), 2)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestChildMayRestartTheSupervisorItIsIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		runs := 0
		answer := make(chan error, 1)
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
			if runs++; runs > 1 {
				return idle(ctx)
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			time.Sleep(time.Second)
			sup, _ := supervisor.FromContext(ctx)
			answer <- sup.Root().RestartChild(ctx, sup.Path())
			return nil
		}}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}, {Name: "b", Run: idle}}})
		began := time.Now()
		require.ErrorIs(t, <-answer, child.ErrStopped)
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, child.Running, lookup(t, sup, "inner/x").State)
		require.Equal(t, 2, runs)
		require.Zero(t, lookup(t, sup, "inner").Restarts)
	})
}
