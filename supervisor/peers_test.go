package supervisor_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Each test here is named after a fault that was measured in a library of the
// same kind, and shows that this one does not have it.

// shabbyrobe/go-service: the process crashed, "missing cancel error".
func TestD1GoServiceContextDerivedFromAChildsSurvivesTheStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var err, cause error
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			inner, cancel := context.WithCancel(ctx)
			defer cancel()
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-inner.Done()
			err, cause = inner.Err(), context.Cause(inner)
			return nil
		}}}})
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, context.Canceled, err)
		require.ErrorIs(t, cause, child.ErrStopped)
	})
}

// shabbyrobe/go-service: values vanished after Ready, Err was nil after Done.
func TestD2GoServiceChildsContextIsARealOne(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		var value any
		var before, after error
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			value, before = ctx.Value(key{}), ctx.Err()
			<-ctx.Done()
			after = ctx.Err()
			return nil
		}}}})
		require.NoError(t, sup.Start(context.WithValue(t.Context(), key{}, "kept")))
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, "kept", value)
		require.NoError(t, before)
		require.Equal(t, context.Canceled, after)
	})
}

// shabbyrobe/go-service: a query for two states found nothing.
func TestD3GoServiceQueryForTwoStatesFindsBoth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := waiting(t, supervisor.Spec{})
		p[2].end(child.ErrDone)
		found := sup.Children(child.Waiting, child.Running)
		require.Len(t, found, 2)
		require.Equal(t, "a", found[0].Name)
		require.Equal(t, "w", found[1].Name)
	})
}

// shabbyrobe/go-service: the start failed, and the service ran afterwards.
func TestD4GoServiceStartWithAnEndedContextRunsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		ran := false
		spec := child.Spec{Name: "a", Run: func(ctx child.Context) error { ran = true; return newPuppet().Run(ctx) }}
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{spec}})
		require.ErrorIs(t, sup.Start(ctx), context.Canceled)
		synctest.Wait()
		require.False(t, ran)

		other := start(t, supervisor.Spec{})
		require.ErrorIs(t, other.StartChild(ctx, spec), context.Canceled)
		synctest.Wait()
		require.False(t, ran)
		require.Zero(t, other.Count())
	})
}

// shabbyrobe/go-service: an HTTP service could not be started twice.
func TestD5GoServiceEverythingCanBeStartedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: newPuppet().Run}}})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		for range 3 {
			require.NoError(t, sup.Start(t.Context()))
			require.NoError(t, sup.RestartChild(t.Context(), "inner", "inner/x"))
			require.Equal(t, child.Running, state(t, sup, "inner/x"))
			require.NoError(t, sup.Stop(t.Context()))
		}
	})
}

// suture: nil counted as a failure and was restarted, with backoff.
func TestD7SutureNilIsANormalEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Restart: child.Transient}}})
		recorded := record(t, sup)
		p.end(nil)
		time.Sleep(time.Hour)
		require.Equal(t, []string{"completed a"}, recorded.lines())
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Done, st.State)
		require.NoError(t, st.LastError)
	})
}

// suture: while one service was in backoff, its siblings were not restarted: a
// sibling with a cycle of 20 ms got 1 start in 250 ms.
func TestD8SutureSiblingOfAChildInBackoffKeepsItsCycle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		starts := 0
		sup := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{
			{Name: "bad", Backoff: child.Exponential(10*time.Millisecond, time.Hour), Run: child.Plain(func(context.Context) error { return errBoom })},
			{Name: "cycle", Run: child.Plain(func(ctx context.Context) error {
				starts++
				if child.Sleep(ctx, 20*time.Millisecond) {
					return nil
				}
				return errBoom
			})},
		}})
		time.Sleep(250 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, 13, starts)
		st, _ := sup.Lookup("bad")
		require.Greater(t, st.Restarts, 1)
	})
}

// suture: one goroutine leaked each time.
func TestD9SutureRemoveThenCancelLeaksNothing(t *testing.T) {
	defer goleak.VerifyNone(t)
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		sup := supervisor.New(supervisor.Spec{Logger: quiet})
		require.NoError(t, sup.Start(ctx))
		require.NoError(t, sup.StartChild(ctx, child.Spec{Name: "a", Run: newPuppet().Run}, child.Spec{Name: "b", Run: newPuppet().Run}))
		removed := make(chan error, 1)
		go func() { removed <- sup.RemoveChild(ctx, "a") }()
		cancel()
		if err := <-removed; err != nil { // then ctx ended its wait
			require.ErrorIs(t, err, context.Canceled)
		}
		require.NoError(t, sup.Stop(context.Background()))
	}
}

// suture: Goexit was a failure with a nil error, by the name (x.f)(0x538c00).
// oversight, capataz: the child was gone for good. dskit: it was Running for ever.
func TestD10D11D15D20GoexitIsAFailureWithANameAndIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		recorded := record(t, sup)
		p.endBy(func() error { runtime.Goexit(); return nil })
		events := recorded.take()
		require.Equal(t, supervisor.EventFailed, events[0].Kind)
		require.Equal(t, "/root/a", events[0].Path)
		require.Equal(t, child.ErrGoexit, events[0].Err)
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Running, st.State)
		require.Equal(t, 1, st.Restarts)
		require.Equal(t, child.ErrGoexit, st.LastError)
		p.end(errBoom) // the run that came after is a full one
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

// oversight: 35,228 restarts in 200 ms, and their times kept for ever.
func TestD12OversightChildThatFailsAtOnceDoesNotSpin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad := child.Plain(func(context.Context) error { return errBoom })
		starts := 0
		count := func(ctx child.Context) error { starts++; return bad(ctx) }

		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: count}}})
		require.Error(t, sup.Serve(t.Context()))
		require.Equal(t, 4, starts, "without a backoff it is handed on")

		starts = 0
		slowly := start(t, supervisor.Spec{Backoff: child.Exponential(10*time.Millisecond, time.Second), Children: []child.Spec{{Name: "a", Run: count}}})
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		require.Less(t, starts, 12, "with one it waits")
		require.NoError(t, slowly.Stop(t.Context()))
	})
}

// oversight: Children took 260 ms in the middle of a one-for-all stop.
// OTP: a supervisor that starts or stops a child is deaf.
func TestD13D23QueriesAnswerInTheMiddleOfAGroupRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "p", Run: p.Run},
			{Name: "z", Run: slow(time.Second, time.Second)},
		}})
		p.end(errBoom)
		for _, want := range []child.State{child.Stopping, child.Starting} {
			at := time.Now()
			require.Equal(t, want, sup.Children()[1].State)
			require.Equal(t, want, state(t, sup, "/root/z"))
			require.Equal(t, 2, sup.Count().Specs)
			require.Contains(t, sup.Tree().String(), want.String())
			require.Error(t, sup.Health())
			require.Equal(t, at, time.Now())
			time.Sleep(time.Second)
			synctest.Wait()
		}
		require.NoError(t, sup.Health())
	})
}

// OTP: requests wait while a child starts or stops. Here one that needs not wait
// for the order does not.
func TestD23OTPRequestsAreServedWhileAChildStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
		started := make(chan error, 1)
		go func() {
			started <- sup.StartChild(context.Background(), child.Spec{Name: "slow", Run: slow(time.Hour, 0)})
		}()
		synctest.Wait()
		at := time.Now()
		a.end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "a"), "a restart")
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: newPuppet().Run}))
		require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		require.Equal(t, at, time.Now())
		require.NoError(t, <-started)
	})
}

// oversight: the value of a panic was kept, its stack lost.
func TestD14OversightPanicKeepsItsStack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		recorded := record(t, sup, supervisor.EventFailed)
		p.endBy(func() error { panic(errBoom) })
		st, _ := sup.Lookup("a")
		var panicked *child.PanicError
		require.ErrorAs(t, st.LastError, &panicked)
		require.ErrorIs(t, st.LastError, errBoom)
		require.True(t, strings.HasPrefix(string(panicked.Stack()), "github.com/coppice-go/coppice/supervisor_test.TestD14"), "%s", panicked.Stack())
		require.Equal(t, string(panicked.Stack()), string(recorded.take()[0].Stack))
	})
}

// capataz: the pause was negative at the 35th restart, and zero from the 56th.
func TestD16CapatazBackoffNeverOverflows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Backoff: child.Exponential(time.Second, time.Hour), Children: []child.Spec{
			{Name: "a", Run: child.Plain(func(context.Context) error { return errBoom })},
		}})
		recorded := record(t, sup, supervisor.EventRestarting)
		time.Sleep(200 * time.Hour)
		events := recorded.take()
		require.Greater(t, len(events), 100)
		for i, e := range events {
			least := 20 * time.Minute // half of the middle of the last range
			if i < 20 {
				least = 500 * time.Millisecond
			}
			require.GreaterOrEqual(t, e.Delay, least, "restart %d", i+1)
			require.LessOrEqual(t, e.Delay, time.Hour, "restart %d", i+1)
		}
	})
}

// oklog/run: Run was blocked for ever, the other actors were not interrupted.
func TestD18OklogRunGoexitEndsServeAndItsSiblings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		stopped := false
		sup := supervisor.New(supervisor.Spec{Intensity: none, Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: child.Plain(func(ctx context.Context) error { <-ctx.Done(); stopped = true; return nil })},
			{Name: "b", Run: child.Plain(func(context.Context) error { runtime.Goexit(); return nil })},
		}})
		require.ErrorIs(t, sup.Serve(t.Context()), child.ErrGoexit)
		require.True(t, stopped)
	})
}

// controller-runtime: runnables were started during the shutdown, and errors of
// the shutdown were dropped.
func TestD19ControllerRuntimeNothingStartsDuringTheStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "p", Run: p.Run},
			{Name: "z", Run: slow(0, time.Second)},
		}})
		recorded := record(t, sup)
		stopped := make(chan error, 1)
		go func() { stopped <- sup.Stop(context.Background()) }()
		synctest.Wait()
		ran := false
		require.ErrorIs(t, sup.StartChild(t.Context(), child.Spec{Name: "new", Run: func(child.Context) error { ran = true; return nil }}), supervisor.ErrNotRunning)
		require.ErrorIs(t, sup.RestartChild(t.Context(), "p"), supervisor.ErrNotRunning)
		p.end(errBoom) // its turn has not come, and it is not restarted
		require.Equal(t, []string{"/root/p: boom"}, unclean(t, <-stopped))
		require.False(t, ran)
		events := recorded.take()
		for _, e := range events {
			require.NotEqual(t, supervisor.EventStarting, e.Kind)
		}
		require.Equal(t, []string{"/root/z", "/root/p", "/root/z"}, []string{events[0].Path, events[1].Path, events[2].Path})
		require.Equal(t, errBoom, events[1].Err, "the error that it returned is reported")
	})
}

// hollywood: the counter of restarts never decayed, and it slept in recover.
func TestD21HollywoodRestartsAgeOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		for range 1000 {
			p.endBy(func() error { panic(errBoom) })
			require.Equal(t, child.Running, state(t, sup, "a"))
			time.Sleep(2 * time.Second)
		}
	})
}

// robbyt/go-supervisor: any Canceled or DeadlineExceeded was taken for a clean stop.
func TestD22RobbytContextErrorsOfOthersAreFailures(t *testing.T) {
	for _, err := range []error{context.Canceled, context.DeadlineExceeded} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Restart: child.Transient}}})
			recorded := record(t, sup)
			p.end(err)
			require.Equal(t, []string{"failed a", "restarting a", "starting a", "ready a"}, recorded.lines())
			st, _ := sup.Lookup("a")
			require.Equal(t, err, st.LastError)
		})
	}
}

// juju Runner: nil removed the worker, and the delay was fixed.
func TestD24JujuNilKeepsTheSpecAndThePauseGrows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Restart: child.Transient, Backoff: growing}}})
		require.Equal(t, 1*time.Second, pause(t, sup, "a", p))
		require.Equal(t, 2*time.Second, pause(t, sup, "a", p))
		p.end(nil)
		require.Equal(t, child.Done, state(t, sup, "a"))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

// capataz: rest-for-one was a comment. Here all that the docs name is there:
// TestEachEndUnderEachStrategyRestartsWhatTheTablesSay runs each.
func TestD17CapatazEachStrategyThatHasANameIsThere(t *testing.T) {
	for _, s := range allStrategies {
		require.NoError(t, supervisor.Spec{Strategy: s}.Validate())
	}
	var fault *child.SpecError
	require.True(t, errors.As(supervisor.Spec{Strategy: 5}.Validate(), &fault))
}
