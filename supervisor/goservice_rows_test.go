package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Rows of docs/from-go-service.md that nothing else shows.

// Row 6.
func TestReturnOfNilBeforeReadyFailsTheStartOfAPermanentChildAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		over := record(t, r, supervisor.EventFailed, supervisor.EventCompleted)
		run := func(child.Context) error { return nil }
		require.ErrorIs(t, r.StartChild(t.Context(), child.Spec{Name: "s", Run: run}), child.ErrNotReady)
		require.Equal(t, []string{"failed s"}, over.lines())
		for _, restart := range []child.Restart{child.Transient, child.Temporary} {
			require.NoError(t, r.StartChild(t.Context(), child.Spec{Name: "s", Run: run, Restart: restart}), "a task that is done")
			recorded := over.take()
			require.Len(t, recorded, 1)
			require.Equal(t, supervisor.EventCompleted, recorded[0].Kind)
			require.False(t, recorded[0].Ready)
		}
	})
}

// Rows 21 and 104.
func TestRestartsDoesNotCountStartsByHandAsEventStartingDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{})
		starts := record(t, sup, supervisor.EventStarting)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "s", Run: p.Run}))
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Zero(t, lookup(t, sup, "s").Restarts)
		p.end(errBoom)
		require.Equal(t, 1, lookup(t, sup, "s").Restarts)
		require.NoError(t, sup.StopChild(t.Context(), "s"))
		require.Equal(t, child.Stopped, state(t, sup, "s"), "TimedRestart.Suspended")
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, 1, lookup(t, sup, "s").Restarts)
		require.Len(t, starts.take(), 4, "TimedRestart.Starts")
	})
}

// Row 35.
func TestOneNameTwiceInACallIsAFaultOfTheSpecs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		err := r.StartChild(t.Context(), svc("a", idle), svc("a", idle))
		var fault *child.SpecError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, child.SpecError{Path: "/root/a", Field: "Name", Problem: "already in use by another child"}, *fault)
		require.NotErrorIs(t, err, supervisor.ErrDuplicate)
		require.Empty(t, r.Children(), "none runs")
	})
}

// Rows 38 and 64.
func TestErrorOfSeveralStopsHasOneForEachChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("a", failsWhenStopped), svc("b", idle), svc("c", failsWhenStopped)))
		err := r.StopChild(t.Context(), "a", "b", "c", "d")
		var all interface{ Unwrap() []error }
		require.ErrorAs(t, err, &all)
		require.Len(t, all.Unwrap(), 3)
		for i, want := range []string{"/root/a: boom", "/root/c: boom"} {
			require.Equal(t, []string{want}, unclean(t, all.Unwrap()[i]))
		}
		var refused *supervisor.ChildError
		require.ErrorAs(t, all.Unwrap()[2], &refused)
		require.Equal(t, supervisor.ErrNotFound, refused.Err)
		require.ErrorIs(t, err, errBoom)
	})
}

// Row 64.
func TestErrorOfStartChildIsThatOfTheFirstChildThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		failed := record(t, r, supervisor.EventFailed)
		fails := func(after time.Duration, err error) func(child.Context) error {
			return func(ctx child.Context) error {
				child.Sleep(ctx, after)
				return err
			}
		}
		err := r.StartChild(t.Context(), svc("a", idle), svc("b", fails(2*time.Second, errBoom)), svc("c", fails(time.Second, errServiceEnded)))
		require.Equal(t, &supervisor.ChildError{Path: "/root/b", Err: errBoom}, err, "the first in order, not in time")
		require.Equal(t, []string{"failed c", "failed b"}, failed.lines(), "the others are events")

		err = r.StartChild(t.Context(), svc("a", idle), svc("b", fails(time.Second, errBoom)), svc("c", fails(time.Hour, errServiceEnded)))
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{"/root/c: service ended"}, unclean(t, err), "it was taken back")
		require.Equal(t, []string{"failed b"}, failed.lines())

		err = r.StartChild(t.Context(), child.Spec{Name: "x"}, child.Spec{Name: "y"})
		var all interface{ Unwrap() []error }
		require.ErrorAs(t, err, &all)
		require.Len(t, all.Unwrap(), 2, "all faults of the specs")
		for _, fault := range all.Unwrap() {
			require.IsType(t, new(child.SpecError), fault)
		}
	})
}

// Row 77.
func TestStartChildWhoseContextEndsWaitsUntilItsChildrenHaveStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		began := time.Now()
		err := r.StartChild(within(t, time.Second), svc("s", slow(time.Hour, 3*time.Second)), svc("up", idle))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Empty(t, r.Children())
	})
}

// Row 77: StartTimeout is for each child, also for restarts, and not for the call.
func TestStartTimeoutIsForEachChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		began := time.Now()
		spec := func(name string, up time.Duration) child.Spec {
			return child.Spec{Name: name, Run: slow(up, 0), StartTimeout: time.Second}
		}
		require.NoError(t, sup.StartChild(t.Context(), spec("a", 900*time.Millisecond), spec("b", 900*time.Millisecond)))
		require.Equal(t, 1800*time.Millisecond, time.Since(began))
		require.ErrorIs(t, sup.StartChild(t.Context(), spec("c", time.Minute)), child.ErrStartTimeout)
	})
}

// Row 101.
func TestChildThatDeclinesIsKeptUnlessItIsTemporaryOrItsSupervisorIsIndependent(t *testing.T) {
	declines := func(child.Context) error { return child.ErrIgnore }
	for _, s := range allStrategies {
		for _, restart := range []child.Restart{child.Permanent, child.Transient, child.Temporary} {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "s", Run: declines, Restart: restart}}})
				_, kept := sup.Lookup("s")
				require.Equal(t, s != strategy.Independent && restart != child.Temporary, kept)
				err := sup.RestartChild(t.Context(), "s")
				if kept {
					require.NoError(t, err, "it declines again")
				} else {
					require.ErrorIs(t, err, supervisor.ErrNotFound)
				}
			})
		}
	}
}

func TestTemporaryChildThatWasRestartedByHandIsKeptWhenItDeclines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		active := true
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "s", Restart: child.Temporary, Run: func(ctx child.Context) error {
			if !active {
				return child.ErrIgnore
			}
			return idle(ctx)
		}}}})
		active = false
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Stopped, state(t, sup, "s"))
		active = true
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Running, state(t, sup, "s"))
	})
}

// Row 100: TimedRestart is ready at once. RetryStart keeps those that come after
// waiting; a child that is ready before it connects does not.
func TestChildThatIsReadyBeforeItConnectsDelaysNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		connects := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errors.New("connecting"))
			if ctx.Restarts() < 2 {
				return errBoom
			}
			return idle(ctx)
		}
		began := time.Now()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "feed", Run: connects, Backoff: child.Constant(time.Second)},
			{Name: "after", Run: idle},
		}})
		synctest.Wait()
		require.Zero(t, time.Since(began))
		require.Error(t, sup.Health())
		time.Sleep(3 * time.Second)
		require.NoError(t, sup.Health())
	})
}
