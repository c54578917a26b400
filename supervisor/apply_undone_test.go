package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestApplyGivesAChildThatDoesNotBecomeReadyItsOldSpecBack(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Intensity: none, Children: versions("a 1", "b 1", "c 1")})
		r := record(t, sup)
		want := desires(sup, versions("b 2", "a 1", "c 2", "n 1")...)
		want.Children[0].Run = failing
		want.MaxChildren = 9
		changes, err := sup.Apply(t.Context(), want)
		require.EqualError(t, err, "/root/b: not ready with its new spec: boom; it runs with its old one again")
		require.ErrorIs(t, err, errBoom)
		require.NoError(t, sup.Health(), "what ran before runs again")
		if s >= strategy.Independent { // the others were started beside it
			require.Equal(t, "+ n   ~ c   = 2 unchanged", changes.String())
			require.Equal(t, []string{"a 1", "b 1", "c 2", "n 1"}, declares(sup))
			return
		}
		require.Equal(t, "= 3 unchanged", changes.String())
		require.Equal(t, []string{"a 1", "b 1", "c 1"}, declares(sup), "the rest is as it was")
		require.Equal(t, []string{"a", "b", "c"}, names(sup.Children()))
		require.Zero(t, sup.Spec().MaxChildren)
		require.Equal(t, []string{
			"applying", "stopping b", "stopped b", "starting b", "failed b", "restarting b", "starting b", "ready b", "applied",
		}, r.lines())
		b, _ := sup.Lookup("b")
		require.Equal(t, 1, b.Restarts)
		require.ErrorIs(t, b.LastError, errBoom)
		events := r.Events()
		applied := events[len(events)-1]
		require.Equal(t, err.Error(), applied.Err.Error())
		require.Equal(t, "= 3 unchanged", applied.Text)
		require.True(t, applied.Changes.Empty())
	})
}

func TestApplyWhoseOldSpecDoesNotComeUpEitherIsAFailureLikeAnyOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var down atomic.Bool
		spec := child.Spec{Name: "a", Version: "1", Backoff: child.Constant(time.Second), Run: func(ctx child.Context) error {
			if down.Load() {
				return errBoom
			}
			return idle(ctx)
		}}
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		down.Store(true)
		spec.Version = "2"
		_, err := sup.Apply(t.Context(), desires(sup, spec))
		require.EqualError(t, err, "/root/a: not ready with its new spec: boom; nor with its old one: boom")
		require.Error(t, sup.Health())
		require.Equal(t, child.Waiting, state(t, sup, "a"), "it is restarted like any other child")
		require.Equal(t, []string{"a 1"}, declares(sup))
		down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		require.NoError(t, sup.Health())
	})
}

func TestApplyAbandonsARunThatDoesNotStopAndGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		stuck := func(ctx child.Context) error {
			_ = ctx.Ready()
			<-free
			return nil
		}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Version: "1", Run: stuck, StopTimeout: time.Second}, {Name: "b", Version: "1", Run: stuck, StopTimeout: time.Second},
		}})
		changes, err := sup.Apply(t.Context(), desires(sup, versions("b 2", "c 1")...))
		var stop *supervisor.StopError
		require.ErrorAs(t, err, &stop)
		require.Len(t, stop.Abandoned, 2)
		require.EqualError(t, err, "2 children did not stop: /root/a within 1s, /root/b within 1s")
		require.Equal(t, "+ c   ~ b   - a   = 0 unchanged", changes.String())
		require.Equal(t, []string{"b 2", "c 1"}, declares(sup))
		require.NoError(t, sup.Health())
		close(free)
	})
}

// Neither the start nor the stop of the child ends in time.
func TestApplyWhoseContextEndsTakesBackWhatIsInProgress(t *testing.T) {
	for name, run := range map[string]func(child.Context) error{
		"start": slow(time.Hour, time.Second), "stop": idle, "backoff": failing,
	} {
		for _, s := range allStrategies {
			t.Run(fmt.Sprint(name, " under ", s), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					spec := child.Spec{Name: "a", Version: "1", Run: slow(0, 2*time.Second)}
					sup := start(t, supervisor.Spec{Strategy: s, Children: append(versions("z 1"), spec)})
					ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("late"))
					defer cancel()
					if name == "stop" {
						ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, errors.New("late"))
						defer cancel()
					}
					spec.Version, spec.Run = "2", run
					if name == "backoff" {
						spec.RetryStart, spec.Backoff = true, child.Constant(time.Minute)
					}
					began := time.Now()
					_, err := sup.Apply(ctx, desires(sup, append(versions("z 1"), spec)...))
					require.ErrorContains(t, err, "/root/a: late")
					require.LessOrEqual(t, time.Since(began), 3*time.Second, "it does not wait for what it takes back")
					require.Equal(t, []string{"z 1", "a 1"}, declares(sup))
					time.Sleep(4 * time.Second)
					require.NoError(t, sup.Health())
					a, _ := sup.LookupSpec("a")
					require.Equal(t, "1", a.Version)
				})
			})
		}
	}
}

func TestApplyWhoseContextEndsRemovesWhatItAdds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := start(t, supervisor.Spec{Strategy: s, Children: versions("a 1")})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		want := desires(sup, versions("a 1", "n 1")...)
		want.Children[1].Run = slow(time.Hour, time.Second)
		changes, err := sup.Apply(ctx, want)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "still starting: /root/n (for 1s)")
		require.Equal(t, "= 1 unchanged", changes.String())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.Equal(t, []string{"a 1"}, declares(sup))
	})
}

func TestApplyWhoseContextEndsDuringARemoval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: append(versions("a 1"), child.Spec{Name: "b", Version: "1", Run: slow(0, 2*time.Second)})})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := sup.Apply(ctx, desires(sup, versions("n 1")...))
		require.EqualError(t, err, "/root/b: context deadline exceeded")
		require.Equal(t, []string{"a 1"}, declares(sup), "b is on its way out, a was not touched")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a"}, names(sup.Children()))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}
