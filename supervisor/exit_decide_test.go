package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestWhatDecideReturnsIsHowTheRunEnded(t *testing.T) {
	for _, c := range []struct {
		name        string
		end, decide error
		want        string
	}{
		{"a failure counts as ErrDone", errBoom, child.ErrDone, "completed: done"},
		{"a failure counts as nil", errBoom, nil, "completed: done"},
		{"a failure counts as ErrShutdown", errBoom, child.ErrShutdown, "completed: done"},
		{"a failure is escalated", errBoom, child.Escalate(errBoom), "failed gave-up: gave up"},
		{"a failure counts as another", errBoom, errors.New("other"), onceFailed + wasRestarted + ": running"},
		{"nil counts as a failure", nil, errBoom, onceFailed + wasRestarted + ": running"},
		{"ErrDone counts as a failure", child.ErrDone, errBoom, onceFailed + wasRestarted + ": running"},
		{"Escalate counts as a failure", child.Escalate(errBoom), errBoom, onceFailed + wasRestarted + ": running"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := endOf(t, child.Spec{
					Restart: child.Transient,
					Decide:  func(error) error { return c.decide },
				}, returning(c.end))
				require.Equal(t, c.want, a.events+": "+a.left)
				require.Equal(t, c.decide, a.err)
			})
		})
	}
}

func TestDecideSeesHowTheRunEnded(t *testing.T) {
	for name, c := range map[string]struct {
		end   func() error
		check func(t *testing.T, err error)
	}{
		"nil":      {returning(nil), func(t *testing.T, err error) { require.NoError(t, err) }},
		"an error": {returning(errBoom), func(t *testing.T, err error) { require.Same(t, errBoom, err) }},
		"a panic": {explode, func(t *testing.T, err error) {
			var panicked *child.PanicError
			require.ErrorAs(t, err, &panicked)
			require.Equal(t, "boom", panicked.Value)
			require.Contains(t, string(panicked.Stack()), "supervisor_test.explode\n")
		}},
		"Goexit": {goexit, func(t *testing.T, err error) { require.Same(t, child.ErrGoexit, err) }},
	} {
		for _, ready := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/ready %v", name, ready), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var saw []error
					sup := start(t, supervisor.Spec{})
					_ = sup.StartChild(t.Context(), child.Spec{
						Name: "a",
						Run: func(ctx child.Context) error {
							if ready {
								_ = ctx.Ready()
							}
							return c.end()
						},
						Decide: func(err error) error {
							saw = append(saw, err)
							return child.ErrDone
						},
					})
					synctest.Wait()
					require.Len(t, saw, 1)
					c.check(t, saw[0])
					require.Equal(t, child.Done, state(t, sup, "a"))
				})
			})
		}
	}
}

func TestDecideBeforeReadyDecidesAboutTheStart(t *testing.T) {
	for want, decide := range map[string]error{
		"":              child.ErrIgnore,
		"/root/a: boom": errBoom,
		"/root/a: not ready: Run returned nil before ctx.Ready": nil,
	} {
		bubble(t, func(t *testing.T) {
			sup := start(t, supervisor.Spec{})
			err := sup.StartChild(t.Context(), child.Spec{
				Name: "a", Run: unready(returning(errors.New("no"))), Decide: func(error) error { return decide },
			})
			if want == "" {
				require.NoError(t, err)
				require.Equal(t, child.Stopped, state(t, sup, "a"))
			} else {
				require.EqualError(t, err, want)
			}
		})
	}
}

func TestPanicInDecideIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{Restart: child.Transient, Decide: func(error) error { return explode() }}, returning(nil))
		require.Equal(t, onceFailed+wasRestarted, a.events)
		require.EqualError(t, a.err, "panic: boom")
		require.Contains(t, string(a.stack), "supervisor_test.explode\n")
	})
}

func TestGoexitInDecideIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{Restart: child.Transient, Decide: func(error) error { return goexit() }}, returning(nil))
		require.Equal(t, onceFailed+wasRestarted, a.events)
		require.Same(t, child.ErrGoexit, a.err)
	})
}

func TestPanicInADeferThatGoexitInDecideRunsIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := endOf(t, child.Spec{Restart: child.Transient, Decide: func(error) error {
			defer func() { panic("boom") }()
			runtime.Goexit()
			return nil
		}}, returning(nil))
		require.Equal(t, onceFailed+wasRestarted, a.events)
		require.EqualError(t, a.err, "panic: boom")
	})
}

// What a run returns while it is being stopped leads to no restart. Decide says what of it
// is reported.
func TestDecideIsAskedAboutTheErrorOfARunThatIsBeingStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked []string
		run := func(err error) func(child.Context) error {
			return func(ctx child.Context) error { _ = idle(ctx); return err }
		}
		decide := func(answer error) func(error) error {
			return func(err error) error { asked = append(asked, fmt.Sprint(err)); return answer }
		}
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "nil", Run: run(nil), Decide: decide(errBoom)},
			{Name: "harmless", Run: run(errBoom), Decide: decide(nil)},
			{Name: "other", Run: run(errBoom), Decide: decide(errors.New("worse"))},
			{Name: "escalates", Run: run(errBoom), Decide: decide(child.Escalate(errBoom))},
		}})
		recorded := record(t, sup, supervisor.EventFailed, supervisor.EventRestarting)
		require.NoError(t, sup.StopChild(t.Context(), "nil", "harmless"))
		require.Equal(t, []string{"/root/other: worse"}, unclean(t, sup.StopChild(t.Context(), "other")))
		require.Equal(t, []string{"/root/escalates: escalated: boom"}, unclean(t, sup.StopChild(t.Context(), "escalates")))
		require.Equal(t, []string{"boom", "boom", "boom"}, asked)
		require.Empty(t, recorded.take())
	})
}

// Decide gets what the run returns, not the deadline that it missed.
func TestDecideSeesWhatAHungRunReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked atomic.Int32
		decide := func(err error) error { asked.Add(1); return err }
		run := func(ready bool) func(child.Context) error {
			return func(ctx child.Context) error {
				if ready {
					_ = ctx.Ready()
				}
				<-ctx.Done()
				return errBoom
			}
		}
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup, supervisor.EventFailed)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: run(true), Heartbeat: time.Second, Backoff: child.Constant(time.Hour), Decide: decide}))
		require.Error(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: run(false), StartTimeout: time.Second, Decide: decide}))
		var failures []string
		for _, e := range recorded.take() {
			failures = append(failures, e.Path+": "+e.Err.Error())
		}
		require.ElementsMatch(t, []string{"/root/a: no heartbeat: boom", "/root/b: start timeout: boom"}, failures)
		require.EqualValues(t, 2, asked.Load())
	})
}

// While Decide runs, the run has ended. Goroutines that it left can do nothing more.
func TestContextIsCancelledWhileDecideRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var of child.Context
		var early context.Context
		asked := false
		sup := start(t, supervisor.Spec{Children: []child.Spec{{
			Name: "a", Restart: child.Transient,
			Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				of, early = ctx, ctx.Grace()
				return errBoom
			},
			Decide: func(error) error {
				asked = true
				require.Error(t, of.Err())
				require.ErrorIs(t, of.Ready(), context.Canceled)
				require.Error(t, early.Err(), "the grace that was requested in time")
				require.Error(t, of.Grace().Err(), "the one requested now")
				of.Unready(errBoom)
				return nil
			},
		}}})
		recorded := record(t, sup, supervisor.EventUnready)
		synctest.Wait()
		require.True(t, asked)
		require.Empty(t, recorded.take())
	})
}

func TestLateReadyWhileDecideRunsDoesNotMakeAFailedStartASuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var of child.Context
		sup := start(t, supervisor.Spec{})
		err := sup.StartChild(t.Context(), child.Spec{
			Name: "a",
			Run:  func(ctx child.Context) error { of = ctx; return errBoom },
			Decide: func(err error) error {
				require.Error(t, of.Ready())
				require.Error(t, of.Grace().Err())
				return err
			},
		})
		require.ErrorIs(t, err, errBoom)
	})
}
