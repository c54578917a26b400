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

// stops are the events of a stop, with the time since began.
func stops(recorded *recorder, began time.Time) []string {
	lines := []string{}
	for _, e := range recorded.take() {
		lines = append(lines, e.Kind.String()+" "+e.Path+" "+e.Time.Sub(began).String())
	}
	return lines
}

var stopKinds = []supervisor.EventKind{supervisor.EventStopping, supervisor.EventStopped, supervisor.EventAbandoned}

func TestChildrenStopInReverseOrderEachWhenTheOneAfterItHasStopped(t *testing.T) {
	for _, s := range ordered {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: slow(0, time.Second)},
					{Name: "b", Run: slow(0, 0)},
					{Name: "c", Run: slow(0, 2*time.Second)},
				}})
				recorded, began := record(t, sup, stopKinds...), time.Now()
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, []string{
					"stopping /root/c 0s", "stopped /root/c 2s",
					"stopping /root/b 2s", "stopped /root/b 2s",
					"stopping /root/a 2s", "stopped /root/a 3s",
				}, stops(recorded, began))
			})
		})
	}
}

func TestEndOfServesContextStopsInOrderToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)},
			{Name: "b", Run: slow(0, time.Second)},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, sup.Serve(ctx))
		require.Equal(t, []string{
			"stopping /root/b 1m0s", "stopped /root/b 1m1s",
			"stopping /root/a 1m1s", "stopped /root/a 1m2s",
		}, stops(recorded, began))
	})
}

func TestIndependentChildrenStopSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)},
			{Name: "b", Run: slow(0, 3*time.Second)},
			{Name: "c", Run: slow(0, 2*time.Second)},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{
			"stopping /root/a 0s", "stopping /root/b 0s", "stopping /root/c 0s",
			"stopped /root/a 1s", "stopped /root/c 2s", "stopped /root/b 3s",
		}, stops(recorded, began))
	})
}

func TestNestedSupervisorIsEmptyBeforeTheChildInFrontOfItStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "z", Run: slow(0, time.Second)}}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(0, time.Second)},
			{Name: "deep", Run: deep.Run},
			{Name: "y", Run: slow(0, time.Second)},
		}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)},
			{Name: "inner", Run: inner.Run},
			{Name: "b", Run: slow(0, time.Second)},
		}})
		recorded := record(t, sup, stopKinds...)
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{
			"stopping b", "stopped b",
			"stopping inner",
			"stopping inner/y", "stopped inner/y",
			"stopping inner/deep", "stopping inner/deep/z", "stopped inner/deep/z", "stopped inner/deep",
			"stopping inner/x", "stopped inner/x",
			"stopped inner",
			"stopping a", "stopped a",
		}, recorded.lines())
	})
}

func TestEachChildHasItsStopTimeout(t *testing.T) {
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		down    time.Duration
		takes   time.Duration
		left    bool
	}{
		{"the default, in time", 0, 5*time.Second - 1, 5*time.Second - 1, false},
		{"the default, too late", 0, 5*time.Second + 1, 5 * time.Second, true},
		{"its own, in time", time.Minute, time.Minute - 1, time.Minute - 1, false},
		{"its own, too late", time.Minute, time.Hour, time.Minute, true},
		{"for ever", child.Forever, 24 * time.Hour, 24 * time.Hour, false},
		{"at once", child.AtOnce, time.Hour, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Children: []child.Spec{
					{Name: "a", Run: idle},
					{Name: "b", Run: slow(0, tc.down), StopTimeout: tc.timeout},
				}})
				began := time.Now()
				err := sup.Stop(t.Context())
				require.Equal(t, tc.takes, time.Since(began))
				var stop *supervisor.StopError
				require.Equal(t, tc.left, err != nil)
				if tc.left {
					require.ErrorAs(t, err, &stop)
					require.Len(t, stop.Abandoned, 1)
					require.Equal(t, "/root/b", stop.Abandoned[0].Path)
					require.Equal(t, tc.takes, stop.Abandoned[0].After)
					require.Contains(t, string(stop.Abandoned[0].Stack), "(*Child).stop")
				}
				require.Equal(t, err, sup.Wait(), "and Wait says the same")
				time.Sleep(24 * time.Hour)
				require.NoError(t, sup.Stop(t.Context()), "when they have returned no run is left")
			})
		})
	}
}

func TestNestedSupervisorHasNoStopTimeoutUnlessItIsSet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(0, 4*time.Second)},
			{Name: "y", Run: slow(0, 4*time.Second)},
			{Name: "z", Run: slow(0, time.Minute), StopTimeout: child.Forever},
		}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		began := time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, 68*time.Second, time.Since(began))
	})
}

func TestWaitingChildIsGoneAtOnceWhenTheTreeStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "b", Run: p.Run, Backoff: child.Constant(time.Hour)},
		}})
		p.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "b"))
		began := time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Zero(t, time.Since(began))
		require.Equal(t, child.Stopped, sup.Children()[1].State)
	})
}

func TestCauseOfAStopReachesTheLastLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause error
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
			err := idle(ctx)
			cause = context.Cause(ctx)
			return err
		}}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			synctest.Wait()
			cancel(errBoom)
		}()
		require.NoError(t, sup.Serve(ctx))
		require.ErrorIs(t, cause, child.ErrStopped)
		require.ErrorIs(t, cause, errBoom)
		require.EqualError(t, cause, "stopped: boom")
	})
}
