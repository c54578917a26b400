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
)

// failing is a Run whose start fails.
func failing(child.Context) error { return errBoom }

func TestFailedStartStopsWhatWasStartedInReverseOrder(t *testing.T) {
	for name, run := range map[string]func(*supervisor.Supervisor, context.Context) error{
		"Serve": (*supervisor.Supervisor).Serve,
		"Start": (*supervisor.Supervisor).Start,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Name: "shop", Children: []child.Spec{
					{Name: "a", Run: slow(0, time.Second)},
					{Name: "b", Run: slow(0, time.Second)},
					{Name: "c", Run: failing},
					{Name: "d", Run: mustNotRun},
				}})
				recorded := record(t, sup)
				began := time.Now()
				err := run(sup, t.Context())
				require.Equal(t, 2*time.Second, time.Since(began), "it returns when they are gone")
				require.EqualError(t, err, "/shop/c: boom")
				require.ErrorIs(t, err, errBoom)
				var of *supervisor.ChildError
				require.ErrorAs(t, err, &of)
				require.Equal(t, "/shop/c", of.Path)
				require.Equal(t, []string{
					"starting a", "ready a", "starting b", "ready b", "starting c", "failed c",
					"stopping b", "stopped b", "stopping a", "stopped a",
				}, recorded.lines())
				require.Equal(t, err, sup.Wait())
				require.Zero(t, sup.Count().Active)
			})
		})
	}
}

func TestFailedStartOfAnIndependentChildStopsTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "a", Run: slow(time.Hour, 0)},
			{Name: "b", Run: func(ctx child.Context) error {
				time.Sleep(time.Second)
				return errBoom
			}},
			{Name: "c", Run: slow(0, time.Second)},
		}})
		began := time.Now()
		require.EqualError(t, sup.Start(t.Context()), "/root/b: boom")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Zero(t, sup.Count().Active)
	})
}

func TestSiblingsOfAFailedStartSeeThatAsTheCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause error
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				err := idle(ctx)
				cause = context.Cause(ctx)
				return err
			}},
			{Name: "b", Run: failing},
		}})
		require.Error(t, sup.Start(t.Context()))
		require.ErrorIs(t, cause, child.ErrGaveUp)
		require.ErrorIs(t, cause, errBoom)
	})
}

func TestFailedStartDeepDownNamesTheLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "y", Run: idle}, {Name: "z", Run: failing},
		}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: idle}, {Name: "deep", Run: deep.Run},
		}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle}, {Name: "inner", Run: inner.Run},
		}})
		err := sup.Start(t.Context())
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "/root/inner/deep/z: boom")
		require.Zero(t, sup.Count().Active+inner.Count().Active+deep.Count().Active)
	})
}

func TestEndOfStartsContextStopsWhatWasStarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)},
			{Name: "b", Run: slow(time.Hour, 0)},
			{Name: "c", Run: mustNotRun},
		}})
		recorded := record(t, sup)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errBoom)
		defer cancel()
		began := time.Now()
		err := sup.Start(ctx)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		require.EqualError(t, err, "/shop: boom: still starting: /shop/b (for 1m0s)")
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{
			"starting a", "ready a", "starting b", "slow-start b",
			"stopping a", "stopping b", "stopped b", "stopped a",
		}, recorded.lines(), "there is no time for order any more")
		require.NoError(t, sup.Wait(), "everybody stopped")
	})
}

func TestEndOfStartsContextAfterTheStartIsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		require.NoError(t, sup.Start(ctx))
		cancel()
		time.Sleep(time.Hour)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

// slowDone is a context whose Done takes a second, so that a select on it and on
// something else finds both ready.
type slowDone struct{ context.Context }

func (s slowDone) Done() <-chan struct{} {
	time.Sleep(time.Second)
	return s.Context.Done()
}

func TestStartThatIsUpWhenItsContextEndsHasSucceeded(t *testing.T) {
	for range 20 { // the chance is even
		bubble(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				cancel()
				<-ctx.Done()
				return nil
			}}}})
			require.NoError(t, sup.Start(slowDone{ctx}))
			require.NoError(t, sup.Stop(t.Context()))
		})
	}
}

func TestStuckChildOfACancelledStartIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "b", Run: func(child.Context) error { <-release; return nil }},
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := sup.Start(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"/root/b 5s"}, left(t, err))
		require.EqualError(t, err, "/root: context deadline exceeded: still starting: /root/b (for 1m0s); /root/b: did not stop within 5s")
	})
}

func TestStartWithAnEndedContextRunsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: mustNotRun}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBoom)
		require.ErrorIs(t, sup.Start(ctx), errBoom)
		require.NoError(t, sup.Serve(ctx), "to Serve that is how it ends")
		synctest.Wait()
		require.Empty(t, sup.Children())
	})
}

func TestServeReturnsNilWhenItsContextEndsWhileStarting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "b", Run: slow(time.Hour, 0)},
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, sup.Serve(ctx))
	})
}

func TestNilContextIsAnErrorEverywhere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var none context.Context // a nil literal would be reported by linters
		up := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		fresh := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: mustNotRun}}})
		faulty := newRoot(supervisor.Spec{Children: []child.Spec{{}}})
		for _, sup := range []*supervisor.Supervisor{up, fresh, faulty} {
			for name, err := range map[string]error{
				"Serve":        sup.Serve(none),
				"Start":        sup.Start(none),
				"Run":          sup.Run(nil),
				"Stop":         sup.Stop(none),
				"StartChild":   sup.StartChild(none, child.Spec{Name: "b", Run: mustNotRun}),
				"StopChild":    sup.StopChild(none, "a"),
				"RestartChild": sup.RestartChild(none, "a"),
				"RemoveChild":  sup.RemoveChild(none, "a"),
			} {
				require.ErrorContains(t, err, "nil context", name)
			}
		}
		require.Equal(t, child.Running, lookup(t, up, "a").State)
		require.Zero(t, lookup(t, up, "a").Restarts)
	})
}

func TestStartTimeoutOfANestedSupervisorReachesItsLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var causes []error
		noted := func(run func(child.Context) error) func(child.Context) error {
			return func(ctx child.Context) error {
				err := run(ctx)
				causes = append(causes, context.Cause(ctx))
				return err
			}
		}
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: noted(idle)}, {Name: "y", Run: noted(slow(time.Hour, 0))},
		}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run, StartTimeout: time.Second}}})
		require.EqualError(t, sup.Start(t.Context()), "/root/inner: start timeout: still starting: /root/inner/y (for 1s)")
		require.Equal(t, []error{child.ErrStartTimeout, child.ErrStartTimeout}, causes)
	})
}

func TestFaultySpecRunsNoChildAndTheErrorListsAllFaults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{
			Name:        "a/b",
			Strategy:    9,
			MaxChildren: -1,
			StopTimeout: -1,
			Children: []child.Spec{
				{Name: "fine", Run: mustNotRun},
				{Name: "fine", Run: mustNotRun},
				{Run: mustNotRun, StartTimeout: -1},
				{Name: "x/y", Restart: 9},
				{Name: "s", Run: mustNotRun, Significant: true, Restart: child.Transient},
			},
		})
		for name, err := range map[string]error{
			"Serve":      sup.Serve(t.Context()),
			"Start":      sup.Start(t.Context()),
			"Run":        sup.Run(child.FromContext(t.Context())),
			"StartChild": sup.StartChild(t.Context(), child.Spec{Name: "b", Run: mustNotRun}),
		} {
			all, ok := err.(interface{ Unwrap() []error })
			require.True(t, ok, name)
			var faults []string
			for _, err := range all.Unwrap() {
				var fault *child.SpecError
				require.ErrorAs(t, err, &fault)
				faults = append(faults, fmt.Sprint(fault.Path, " ", fault.Field))
			}
			require.Equal(t, []string{
				"/a/b Name", "/a/b Strategy", "/a/b MaxChildren", "/a/b StopTimeout",
				"/a/b/fine Name", "/a/b/[2] Name", "/a/b/[2] StartTimeout",
				"/a/b/x/y Name", "/a/b/x/y Run", "/a/b/x/y Restart", "/a/b/s Significant",
			}, faults, name)
		}
		require.NoError(t, sup.Stop(t.Context()))
		require.ErrorIs(t, sup.Wait(), supervisor.ErrNotRunning)
	})
}

func TestFaultOfANestedSpecIsAFailedStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x"}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "inner", Run: inner.Run},
		}})
		var fault *child.SpecError
		require.ErrorAs(t, sup.Start(t.Context()), &fault)
		require.Equal(t, "Run", fault.Field)
		require.False(t, errors.Is(sup.Wait(), child.ErrNotReady))
	})
}
