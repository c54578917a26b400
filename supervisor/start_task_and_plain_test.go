package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// work takes a second and returns err, or the cause if it is stopped.
func work(err error) func(context.Context) error {
	return func(ctx context.Context) error {
		if child.Sleep(ctx, time.Second) {
			return context.Cause(ctx)
		}
		return err
	}
}

func TestTaskIsStartedWhenItsWorkIsDone(t *testing.T) {
	for _, restart := range []child.Restart{child.Permanent, child.Transient, child.Temporary} {
		bubble(t, func(t *testing.T) {
			sup, began := start(t, supervisor.Spec{}), time.Now()
			recorded := record(t, sup)
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: child.Task(work(nil)), Restart: restart}))
			require.Equal(t, time.Second, time.Since(began))
			a := aftermathOf(sup, recorded)
			if restart == child.Temporary {
				require.Equal(t, "starting ready completed removed: gone", a.events+": "+a.left)
			} else {
				require.Equal(t, "starting ready completed: done", a.events+": "+a.left)
			}
			time.Sleep(time.Hour)
			require.Empty(t, recorded.take(), "it is not run again")
			require.NoError(t, sup.Health())
		})
	}
}

func TestTasksErrorIsThatOfItsStart(t *testing.T) {
	for name, c := range map[string]struct {
		work func(context.Context) error
		want string
	}{
		"an error":     {work(errBoom), "/root/a: boom"},
		"a panic":      {func(context.Context) error { return explode() }, "/root/a: panic: boom"},
		"Goexit":       {func(context.Context) error { return goexit() }, "/root/a: runtime.Goexit was called"},
		"ErrNotReady":  {work(child.ErrNotReady), "/root/a: not ready"},
		"ErrGoexit":    {work(child.ErrGoexit), "/root/a: runtime.Goexit was called"},
		"ErrStopped":   {work(child.ErrStopped), "/root/a: stopped"},
		"ErrShutdown":  {work(child.ErrShutdown), "/root/a: shut down"},
		"its deadline": {work(context.DeadlineExceeded), "/root/a: context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{})
				require.EqualError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: child.Task(c.work)}), c.want)
				require.Empty(t, sup.Children(), "a failed start is not kept")
			})
		})
	}
}

func TestNextChildWaitsForATask(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began, next := time.Now(), time.Duration(0)
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "migrate", Run: child.Task(work(nil))},
			{Name: "api", Run: func(ctx child.Context) error {
				next = time.Since(began)
				return newPuppet().Run(ctx)
			}},
		}})
		require.Equal(t, time.Second, next)
		synctest.Wait()
		require.Equal(t, child.Done, state(t, sup, "migrate"))
		require.NoError(t, sup.Health())
	})
}

func TestTaskThatFailsStopsTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		next := false
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "migrate", Run: child.Task(work(errBoom))},
			{Name: "api", Run: func(ctx child.Context) error { next = true; return newPuppet().Run(ctx) }},
		}})
		require.EqualError(t, sup.Start(t.Context()), "/root/migrate: boom")
		require.False(t, next)
	})
}

func TestTaskIsStoppedInTheMiddleOfItsWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		began := make(chan error, 1)
		go func() {
			began <- sup.StartChild(context.Background(), child.Spec{Name: "a", Run: child.Task(work(nil))})
		}()
		synctest.Wait()
		recorded := record(t, sup)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.ErrorIs(t, <-began, child.ErrStopped)
		require.Equal(t, []string{"stopping a", "stopped a", "removed a"}, recorded.lines(), "and its start undone")
	})
}

// A start that no caller waits for any more is undone, the work with it.
func TestTaskEndsWithTheContextOfStartChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errSignal)
		defer cancel()
		var cause error
		err := sup.StartChild(ctx, child.Spec{Name: "a", Run: child.Task(func(ctx context.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return cause
		})})
		require.ErrorIs(t, err, errSignal)
		require.Same(t, child.ErrRemoved, cause)
		require.Empty(t, sup.Children())
	})
}

func TestTaskIsDoneAgainWithItsGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		times := 0
		p := newPuppet()
		sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "migrate", Run: child.Task(func(context.Context) error { times++; return nil })},
			{Name: "api", Run: p.Run},
		}})
		p.end(errBoom)
		require.Equal(t, 2, times)
		require.Equal(t, child.Done, state(t, sup, "migrate"))
		require.Equal(t, child.Running, state(t, sup, "api"))
	})
}

func TestTasksContextIsThatOfTheChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		path := ""
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: child.Task(func(ctx context.Context) error {
			path = child.FromContext(ctx).Path()
			return nil
		})}))
		require.Equal(t, "/root/a", path)
	})
}

func TestPlainIsReadyAtOnceAndLivesLikeAnyOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		sup := start(t, supervisor.Spec{Intensity: strategy.AtMost(1, time.Hour)})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: child.Plain(work(errBoom))}))
		require.Zero(t, time.Since(began), "the work has not been waited for")
		require.Equal(t, child.Running, state(t, sup, "a"))
		recorded := record(t, sup)
		time.Sleep(1500 * time.Millisecond)
		require.Equal(t, []string{"failed a", "restarting a", "starting a", "ready a"}, recorded.lines())
		require.NoError(t, sup.StopChild(t.Context(), "a"))
	})
}

func TestPlainOrTaskOfNilIsAFaultOfTheSpec(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, run := range []func(child.Context) error{nil, child.Plain(nil), child.Task(nil)} {
		sup := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: run}}})
		var fault *child.SpecError
		require.ErrorAs(t, sup.Start(t.Context()), &fault)
		require.Equal(t, child.SpecError{Path: "/root/a", Field: "Run", Problem: "nil"}, *fault)
	}
}
