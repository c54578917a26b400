package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// The log remembers children that are down. It must forget those that are removed, since
// an Independent supervisor may see millions of them.
func TestNothingIsKeptOfChildrenThatWereDown(t *testing.T) {
	errBad := errors.New("bad")
	for name, test := range map[string]struct {
		backoff child.Backoff
		act     func(t *testing.T, s *Supervisor)
	}{
		"removed while it waits": {child.Constant(time.Hour), func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.RemoveChild(t.Context(), "a"))
		}},
		"stopped while it waits": {child.Constant(time.Hour), func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.StopChild(t.Context(), "a"))
		}},
		"removed while its backoff thinks": {func() child.BackoffPolicy { time.Sleep(time.Minute); return child.Constant(0)() }, func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.RemoveChild(t.Context(), "a"))
			time.Sleep(time.Hour)
		}},
		"stopped while its backoff thinks": {func() child.BackoffPolicy { time.Sleep(time.Minute); return child.Constant(0)() }, func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.StopChild(t.Context(), "a"))
			time.Sleep(time.Hour)
		}},
		"abandoned while it starts": {child.Constant(0), func(t *testing.T, s *Supervisor) {
			require.Error(t, s.StopChild(t.Context(), "a"))
		}},
		"the end": {child.Constant(time.Hour), func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.Stop(t.Context()))
		}},
		"the end while its backoff thinks": {func() child.BackoffPolicy { time.Sleep(time.Minute); return child.Constant(0)() }, func(t *testing.T, s *Supervisor) {
			require.NoError(t, s.Stop(t.Context()))
			time.Sleep(time.Hour)
		}},
	} {
		for _, strat := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.Independent} {
			t.Run(name+", "+strat.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					runs, deaf := 0, newDeaf(t)
					s := New(Spec{Strategy: strat, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Children: []child.Spec{{
						Name: "a", Backoff: test.backoff, Run: func(ctx child.Context) error {
							if runs++; runs > 1 {
								return deaf.start(ctx)
							}
							_ = ctx.Ready()
							time.Sleep(time.Second)
							return errBad
						},
					}}})
					require.NoError(t, s.Start(t.Context()))
					t.Cleanup(func() { _ = s.Stop(context.Background()) })
					time.Sleep(2 * time.Second)
					test.act(t, s)
					synctest.Wait()
					l := s.latest()
					l.mu.Lock()
					defer l.mu.Unlock()
					require.Empty(t, l.failing.since)
					require.Empty(t, l.failing.held)
				})
			})
		}
	}
}

// A backoff may panic when its tree has ended, and another life has begun.
func TestBackoffThatPanicsAfterTheEndDoesNotReachTheNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		s := quietRoot(t, Spec{Children: []child.Spec{{
			Name: "a", Backoff: func() child.BackoffPolicy { time.Sleep(time.Hour); panic("late") }, Run: func(ctx child.Context) error {
				if runs++; runs > 1 {
					return obedientRun(ctx)
				}
				_ = ctx.Ready()
				return errors.New("bad")
			},
		}}})
		require.NoError(t, s.Start(t.Context()))
		synctest.Wait()
		require.NoError(t, s.Stop(t.Context()))
		require.NoError(t, s.Start(t.Context()))
		recorded := happenings(t, s)
		time.Sleep(2 * time.Hour)
		require.Empty(t, recorded())
	})
}

// The timer of one child may go off between two batches in which the others are
// abandoned. The stacks for those must not be lost.
func TestTimerBetweenTwoBatchesOfAnEndKeepsTheStacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t)
		var specs []child.Spec
		for i := range 2 * machine.BatchSize {
			specs = append(specs, child.Spec{Name: fmt.Sprint(i), Run: d.Run})
		}
		s := quietRoot(t, Spec{Strategy: strategy.Independent, Children: specs})
		require.NoError(t, s.Start(t.Context()))
		l, last := s.latest(), runAt(s, fmt.Sprint(2*machine.BatchSize-1))
		stacks := l.beforeAbandoning(time.Now())
		now := l.enter()
		l.dump, l.abandonedAll = stacks, true
		l.m.AbandonAll(now)
		var after step
		l.perform(&after)
		l.unlock()
		l.fire(last, machine.SlowTimer, last.set, nil) // it was not cancelled yet
		l.runTasks(&after)
		var stop *StopError
		require.ErrorAs(t, s.Wait(), &stop)
		require.Len(t, stop.Abandoned, 2*machine.BatchSize)
		for _, left := range stop.Abandoned {
			require.NotEmpty(t, left.Stack, left.Path)
		}
	})
}
