package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestNilRunIsAFaultAndNothingRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ran := false
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: func(child.Context) error { ran = true; return nil }}, {Name: "b"},
		}})
		require.EqualError(t, sup.Start(t.Context()), "/root/b: Run: nil")
		require.EqualError(t, sup.Serve(t.Context()), "/root/b: Run: nil")
		require.False(t, ran)

		up := start(t, supervisor.Spec{})
		require.EqualError(t, up.StartChild(t.Context(), child.Spec{Name: "b"}), "/root/b: Run: nil")
		require.Empty(t, up.Children())
	})
}

// A restart at once neither grows a stack nor needs a goroutine more each time.
func TestRunThatReturnsAtOnceTenThousandTimes(t *testing.T) {
	const times = 10_000
	for _, ready := range []bool{true, false} {
		for name, end := range map[string]func() error{"nil": returning(nil), "an error": returning(errBoom), "a panic": explode, "Goexit": goexit} {
			t.Run(fmt.Sprintf("%s/ready %v", name, ready), func(t *testing.T) {
				t.Cleanup(func() { goleak.VerifyNone(t) })
				var runs, deepest atomic.Int64
				enough := make(chan struct{})
				sup := start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
					n := runs.Add(1)
					if ready || n == 1 {
						if err := ctx.Ready(); err != nil {
							return err
						}
					}
					if n%1000 == 0 {
						deepest.Store(max(deepest.Load(), int64(runtime.Callers(0, make([]uintptr, 200)))))
					}
					if n > times {
						_ = ctx.Ready()
						close(enough)
						<-ctx.Done()
						return nil
					}
					return end()
				}}}})
				<-enough
				st, _ := sup.Lookup("a")
				require.Equal(t, child.Running, st.State)
				require.Equal(t, times, st.Restarts)
				require.Less(t, deepest.Load(), int64(20), "calls on the stack")
				require.NoError(t, sup.Stop(t.Context()))
			})
		}
	}
}

// A restart costs no goroutine either, if the run has returned.
func TestRestartAtOnceRunsOnTheSameGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var goroutines []string
		p := newPuppet()
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			goroutines = append(goroutines, goroutineHere())
			return p.Run(ctx)
		}}}})
		p.end(errBoom)
		p.end(nil)
		require.Equal(t, []string{goroutines[0], goroutines[0], goroutines[0]}, goroutines)
	})
}

// All calls of a context, a few with invalid arguments.
var callsOfARun = []func(child.Context){
	func(ctx child.Context) { _ = ctx.Ready() },
	func(ctx child.Context) { ctx.Unready(nil) },
	func(ctx child.Context) { ctx.Unready(errBoom) },
	func(ctx child.Context) { ctx.OnError(nil) },
	func(ctx child.Context) { ctx.OnError(errBoom) },
	func(ctx child.Context) { ctx.Heartbeat() },
	func(ctx child.Context) { ctx.ShouldHalt() },
	func(ctx child.Context) { _ = ctx.Grace().Err() },
	func(ctx child.Context) { _ = ctx.Path() },
	func(ctx child.Context) { _ = ctx.Restarts() },
	func(ctx child.Context) { _ = context.Cause(ctx) },
	func(ctx child.Context) { _ = ctx.Value(nil) },
	func(ctx child.Context) { _, _ = supervisor.FromContext(ctx) },
}

func TestCallsAfterTheEndChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup, first := startKeepingContext(t, p)
		p.end(errBoom)
		before, _ := sup.Lookup("a")
		for _, call := range callsOfARun {
			call(first)
		}
		after, _ := sup.Lookup("a")
		require.Equal(t, before, after)

		require.NoError(t, sup.Stop(t.Context()))
		for _, call := range callsOfARun {
			call(first)
		}
		require.Equal(t, "/root/a", first.Path())
		require.Zero(t, first.Restarts())
	})
}

func TestCallsOfAnAbandonedRunChangeNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var zombie child.Context
		release := make(chan struct{})
		var runs atomic.Int32
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", StopTimeout: time.Second, Heartbeat: time.Hour, Run: func(ctx child.Context) error {
			if runs.Add(1) > 1 {
				return newPuppet().Run(ctx)
			}
			zombie = ctx
			_ = ctx.Ready()
			<-release
			return child.Escalate(errBoom)
		}}}})
		require.Len(t, left(t, sup.RestartChild(t.Context(), "a")), 1)
		recorded := record(t, sup)
		before, _ := sup.Lookup("a")
		for _, call := range callsOfARun {
			call(zombie)
		}
		after, _ := sup.Lookup("a")
		require.Equal(t, before, after)
		require.Empty(t, recorded.take())
		close(release)
		require.Equal(t, []string{"late-exit a"}, recorded.lines(), "and no escalation")
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

// Every call at any time, from many goroutines, while the child is restarted,
// upgraded, stopped and started by others.
func TestAllCallsAtTheSameTime(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	var helpers sync.WaitGroup
	run := func(ctx child.Context) error {
		for _, call := range callsOfARun {
			helpers.Go(func() {
				for range 20 {
					call(ctx)
				}
			})
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		if ctx.Restarts()%2 == 0 {
			return errBoom
		}
		<-ctx.Done()
		return nil
	}
	spec := supervisor.Spec{Logger: quiet, Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "a", Run: run, Heartbeat: time.Minute}}}
	sup := start(t, spec)
	var others sync.WaitGroup
	for _, act := range []func() error{
		func() error { return sup.RestartChild(t.Context(), "a") },
		func() error { return sup.StopChild(t.Context(), "a") },
		func() error { return sup.Upgrade(spec) },
		func() error { _, _ = sup.Lookup("a"); return sup.Health() },
	} {
		others.Go(func() {
			for range 30 {
				_ = act()
			}
		})
	}
	others.Wait()
	require.NoError(t, sup.Stop(context.Background()))
	helpers.Wait()
}

// A run may make any call of its own supervisor, and panic with the result.
func TestRunThatStopsItsOwnTree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			own, _ := supervisor.FromContext(ctx)
			return errors.Join(own.Stop(ctx), errBoom)
		}}}})
		require.Equal(t, []string{"/root/a: boom"}, unclean(t, sup.Serve(t.Context())))
	})
}

// A goroutine that the run started may outlive it. Only the context ends with the run.
func TestGoroutineThatARunStartedIsNotWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := make(chan error, 1)
		sup := start(t, supervisor.Spec{})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Restart: child.Transient, Run: func(ctx child.Context) error {
			go func() {
				<-ctx.Done()
				time.Sleep(time.Hour)
				ended <- ctx.Ready()
			}()
			return ctx.Ready()
		}}))
		synctest.Wait()
		require.Equal(t, child.Done, state(t, sup, "a"))
		require.NoError(t, sup.Stop(t.Context()))
		require.Error(t, <-ended)
	})
}
