package supervisor_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// These are cases of OTP's and Elixir's own test suites that the recorded
// scenarios do not have (docs/otp.md lists all).

// OTP, significant_transient and sup_stop_timeout together: what a child does
// while an automatic shutdown stops it does not make a failure of that.
func TestAutoShutdownThatAbandonsARunIsNoFailureToTheParent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		job := newPuppet()
		inner := supervisor.New(supervisor.Spec{
			AutoShutdown: strategy.AnySignificant,
			Children: []child.Spec{
				{Name: "stuck", StopTimeout: time.Second, Run: func(ctx child.Context) error {
					err := ctx.Ready()
					<-release
					return err
				}},
				{Name: "job", Run: job.Run, Restart: child.Transient, Significant: true},
			},
		})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run, Restart: child.Transient},
		}})
		job.end(nil)
		time.Sleep(time.Minute)
		require.Equal(t, child.Done, state(t, sup, "inner"))
		var left *supervisor.StopError
		require.ErrorAs(t, inner.Wait(), &left)
		require.Equal(t, "/root/inner/stuck", left.Abandoned[0].Path)
	})
}

// OTP, do_not_save_child_specs_for_temporary_children,
// do_not_save_start_parameters_for_temporary_children and
// simple_one_for_one_corruption: of a Temporary child nothing is kept, however it
// ended.
func TestNothingIsKeptOfATemporaryChild(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	ends := []func() error{
		func() error { return nil },
		func() error { return child.ErrShutdown },
		func() error { return errBoom },
		func() error { panic(errBoom) },
	}
	for _, s := range allStrategies {
		t.Run(s.String(), func(t *testing.T) {
			sup := newRoot(supervisor.Spec{Strategy: s})
			require.NoError(t, sup.Start(t.Context()))
			var args []weak.Pointer[[1024]byte]
			for i, end := range ends {
				arg := new([1024]byte)
				args = append(args, weak.Make(arg))
				ended := make(chan struct{})
				cancel := sup.Subscribe(func(supervisor.Event) { close(ended) }, supervisor.EventRemoved)
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{
					Name: fmt.Sprint(i), Restart: child.Temporary,
					Run: child.Plain(func(context.Context) error {
						arg[0]++
						return end()
					}),
				}))
				<-ended
				cancel()
			}
			require.Empty(t, sup.Children())
			require.Eventually(t, func() bool {
				runtime.GC()
				for _, arg := range args {
					if arg.Value() != nil {
						return false
					}
				}
				return true
			}, 10*time.Second, time.Millisecond)
			require.NoError(t, sup.Stop(context.Background()))
		})
	}
}

// Elixir, "child is restarted with different values", and OTP since issue 8215:
// a dynamic child that declines to be restarted is dropped.
func TestDynamicChildThatDeclinesItsRestartIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		p := newPuppet()
		starts := 0
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
			if starts++; starts > 1 {
				return child.ErrIgnore
			}
			return p.Run(ctx)
		}}))
		p.end(errBoom)
		require.Equal(t, 2, starts)
		require.Empty(t, sup.Children())
		require.Equal(t, supervisor.Counts{}, sup.Count())
		require.NoError(t, sup.Stop(context.Background()))
	})
}

// Elixir, "restarting on init children counted in max_children": one that waits
// for its restart has its place.
func TestWaitingChildrenCountAsChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, MaxChildren: 1})
		p := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{
			Name: "a", Run: p.Run, Backoff: child.Constant(time.Minute),
		}))
		p.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "a"))
		require.Equal(t, supervisor.Counts{Specs: 1, Workers: 1}, sup.Count())
		require.ErrorIs(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: obedient}), supervisor.ErrMaxChildren)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "b", Run: obedient}))
	})
}

// Elixir, "terminate_child: restarting child", "second call": a dynamic child
// that waits for its restart is stopped, and then there is none.
func TestStopOfAWaitingDynamicChildForgetsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Constant(time.Minute)})
		p := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: p.Run}))
		p.end(errBoom)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.ErrorIs(t, sup.StopChild(t.Context(), "a"), supervisor.ErrNotFound)
		time.Sleep(time.Hour)
		require.Empty(t, sup.Children())
	})
}

// Elixir, "terminate: mixed": dynamic children stop side by side, each within its
// own time, and only those that need longer are abandoned.
func TestDynamicChildrenStopEachWithinItsOwnTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
		require.NoError(t, sup.Start(t.Context()))
		for _, c := range []struct {
			name          string
			timeout, down time.Duration
		}{
			{"at-once", child.AtOnce, time.Second},
			{"forever", child.Forever, 20 * time.Second},
			{"in-time", 3 * time.Second, 2 * time.Second},
			{"expired", 3 * time.Second, 4 * time.Second},
			{"expired-later", 10 * time.Second, time.Minute},
			{"a-moment", 1, 0},
		} {
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{
				Name: c.name, StopTimeout: c.timeout, Run: slow(0, c.down),
			}))
		}
		events := record(t, sup, supervisor.EventAbandoned)
		began := time.Now()
		err := sup.Stop(context.Background())
		require.Equal(t, 20*time.Second, time.Since(began))
		var left *supervisor.StopError
		require.ErrorAs(t, err, &left)
		require.Len(t, left.Abandoned, 1, "the others have returned meanwhile")
		require.Equal(t, "/root/expired-later", left.Abandoned[0].Path)
		require.Equal(t, []string{"abandoned at-once", "abandoned expired", "abandoned expired-later"}, events.lines())
		time.Sleep(time.Hour)
		synctest.Wait()
	})
}

// OTP, code_change: the restarts of the period are not forgotten, so that a new
// limit counts them.
func TestUpgradeKeepsTheRestartsOfThePeriod(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		spec := supervisor.Spec{
			Logger:    quiet,
			Intensity: strategy.AtMost(3, time.Minute),
			Children:  []child.Spec{{Name: "a", Run: p.Run}},
		}
		sup := start(t, spec)
		p.end(errBoom)
		p.end(errBoom)
		spec.Intensity = strategy.AtMost(2, time.Hour)
		require.NoError(t, sup.Upgrade(spec))
		p.end(errBoom)
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, sup.Wait(), &gaveUp)
		require.Equal(t, spec.Intensity, gaveUp.Limit)
	})
}

// OTP, code_change_simple: a supervisor does not become simple_one_for_one while
// it runs, nor cease to be. While it does not run it may. The same holds for Graph.
func TestUpgradeMakesNoRunningSupervisorIndependent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ordered := supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: obedient}}}
		independent := ordered
		independent.Strategy = strategy.Independent
		graph := ordered
		graph.Strategy = strategy.Graph
		sup := newRoot(ordered)
		for _, next := range []supervisor.Spec{independent, ordered, graph, independent, graph, ordered} {
			require.NoError(t, sup.Start(t.Context()))
			require.EqualError(t, sup.Upgrade(next),
				"/root: a running supervisor cannot change its strategy from or to independent or graph")
			require.NotEqual(t, next.Strategy, sup.Tree().Strategy)
			require.NoError(t, sup.Stop(t.Context()))
			require.NoError(t, sup.Upgrade(next))
			require.NoError(t, sup.Start(t.Context()))
			require.Equal(t, next.Strategy, sup.Tree().Strategy)
			require.NoError(t, sup.Stop(t.Context()))
		}
	})
}

// OTP, code_change: a child keeps its run and has its new settings from then on.
func TestUpgradeGivesAChildItsNewSettings(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old, next := newPuppet(), newPuppet()
		spec := func(run func(child.Context) error, pause time.Duration) supervisor.Spec {
			return supervisor.Spec{Logger: quiet, Children: []child.Spec{
				{Name: "a", Run: run, Backoff: child.Constant(pause).Retries(1)},
			}}
		}
		sup := start(t, spec(old.Run, time.Second))
		old.end(errBoom)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, sup.Upgrade(spec(next.Run, time.Minute)))
		old.end(errBoom) // the run goes on until here
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Waiting, st.State, "its backoff starts over")
		require.Equal(t, time.Now().Add(time.Minute), st.NextStart)
		time.Sleep(time.Minute)
		next.end(errBoom)
		require.Error(t, sup.Wait(), "and gives up by itself")
	})
}
