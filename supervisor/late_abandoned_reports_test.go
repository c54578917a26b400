package supervisor_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// The call that has a run abandoned reports it, and no other; Serve, Stop and Wait also
// list every abandoned run of this life that still runs.

// lost returns the paths of the runs that a call reports as abandoned.
func lost(err error) (paths []string) {
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		for _, s := range stop.Abandoned {
			paths = append(paths, s.Path)
		}
	}
	return paths
}

// stuckOnce is a Run that does not return when its first run is stopped. Later runs do.
func stuckOnce(t *testing.T) func(child.Context) error {
	deaf := &supervisortest.Child{StopAfter: child.Forever}
	t.Cleanup(deaf.Release)
	runs := 0
	return func(ctx child.Context) error {
		if runs++; runs == 1 {
			return deaf.Run(ctx)
		}
		return idle(ctx)
	}
}

func TestOnlyTheCallThatAbandonsARunReportsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: stuckOnce(t)}, {Name: "b", Run: stuckOnce(t)}, {Name: "c", Run: stuckOnce(t)},
		}})
		require.Equal(t, []string{"/root/a"}, lost(sup.RestartChild(t.Context(), "a")))
		require.Equal(t, child.Running, state(t, sup, "a"), "it was started all the same")
		require.Equal(t, []string{"/root/b"}, lost(sup.StopChild(t.Context(), "b")))
		for range 2 {
			require.NoError(t, sup.RestartChild(t.Context(), "a", "b"))
			require.NoError(t, sup.StopChild(t.Context(), "a", "b"))
		}
		require.Equal(t, []string{"/root/c"}, lost(sup.RemoveChild(t.Context(), "a", "c", "b")))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: idle}))
		require.NoError(t, sup.RemoveChild(t.Context(), "a"), "the run that still runs is of another child")
		err := sup.Stop(t.Context())
		require.Equal(t, []string{"/root/a", "/root/b", "/root/c"}, lost(err), "in the order in which they were abandoned")
		require.Equal(t, lost(err), lost(sup.Wait()))
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.Stop(t.Context()), "none of an earlier life")
	})
}

func TestAbandonedRunThatHasReturnedIsNotListedAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: slow(0, time.Minute)}}})
		require.Equal(t, []string{"/root/a"}, lost(sup.StopChild(t.Context(), "a")))
		time.Sleep(time.Hour)
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Wait())
	})
}

func TestAllCallersThatWaitForOneChildGetItsAbandonedRun(t *testing.T) {
	for name, calls := range map[string]struct {
		first, second func(*supervisor.Supervisor) error
	}{
		"stop and stop": {stopA, stopA}, "stop and remove": {stopA, removeA}, "remove and stop": {removeA, stopA},
		"restart and stop": {restartA, stopA}, "stop and restart": {stopA, restartA}, "restart and restart": {restartA, restartA},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: stuckOnce(t)}}})
				first := async(func() error { return calls.first(sup) })
				time.Sleep(time.Second)
				second := async(func() error { return calls.second(sup) })
				require.Equal(t, []string{"/root/a"}, lost(<-first))
				require.Equal(t, []string{"/root/a"}, lost(<-second))
			})
		})
	}
}

func stopA(sup *supervisor.Supervisor) error    { return sup.StopChild(context.Background(), "a") }
func removeA(sup *supervisor.Supervisor) error  { return sup.RemoveChild(context.Background(), "a") }
func restartA(sup *supervisor.Supervisor) error { return sup.RestartChild(context.Background(), "a") }

func TestStartThatTimesOutReportsTheRunThatIsAbandoned(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				deaf := &supervisortest.Child{NeverReady: true, StopAfter: child.Forever}
				defer deaf.Release()
				sup := startLoosely(t, supervisor.Spec{Strategy: s})
				err := sup.StartChild(t.Context(), child.Spec{Name: "a", Run: deaf.Run, StartTimeout: time.Second})
				require.ErrorIs(t, err, child.ErrStartTimeout)
				require.Equal(t, []string{"/root/a"}, lost(err))
				require.Equal(t, 1, strings.Count(err.Error(), "did not stop"), "once: %v", err)
				require.Equal(t, []string{"/root/a"}, lost(sup.Stop(t.Context())))
			})
		})
	}
}

func TestStartThatIsCutOffReportsTheRunsThatAreAbandoned(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				deaf := &supervisortest.Child{NeverReady: true, StopAfter: child.Forever}
				defer deaf.Release()
				sup := startLoosely(t, supervisor.Spec{Strategy: s})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := sup.StartChild(ctx, child.Spec{Name: "a", Run: deaf.Run})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, []string{"/root/a"}, lost(err))
			})
		})
	}
}

// Side by side, one start may have been abandoned before another fails.
func TestStartsSideBySideReportAllRunsThatAreAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{NeverReady: true, StopAfter: child.Forever}
		defer deaf.Release()
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent})
		err := sup.StartChild(t.Context(),
			child.Spec{Name: "up", Run: flushFails(0)},
			child.Spec{Name: "fails", Run: func(child.Context) error { time.Sleep(time.Minute); return errBoom }},
			child.Spec{Name: "late", Run: deaf.Run, StartTimeout: time.Second},
			child.Spec{Name: "deaf", Run: deaf.Run},
		)
		require.ErrorIs(t, err, errBoom)
		require.ElementsMatch(t, []string{"/root/late", "/root/deaf"}, lost(err))
		require.Equal(t, []string{"/root/up"}, dirty(err))
	})
}

// The run that a restart has abandoned is reported also if the start that follows is cut
// off, since no other call would report it.
func TestRestartThatIsCutOffReportsTheRunThatWasAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		runs := 0
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if runs++; runs == 1 {
				return deaf.Run(ctx)
			}
			<-ctx.Done()
			return nil
		}}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := sup.RestartChild(ctx, "a")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "still starting: /root/a (for 55s)")
		require.Equal(t, []string{"/root/a"}, lost(err))
	})
}

// No call has asked for a group restart, so only the end of the life lists the run that it
// abandoned.
func TestRunThatAGroupRestartAbandonsIsListedAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newPuppet()
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: stuckOnce(t)}, {Name: "b", Run: b.Run},
		}})
		b.end(errBoom)
		time.Sleep(time.Minute)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"/root/a"}, lost(sup.Stop(t.Context())))
	})
}

// A supervisor is restarted within the life of its root, and abandons a run each time.
func TestErrorOfALifeNamesOnlyItsOwnRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: deaf.Run}}})
		var ends []error
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: func(ctx child.Context) error {
			err := inner.Run(ctx)
			ends = append(ends, err)
			return err
		}}}})
		for range 3 {
			require.Equal(t, []string{"/root/in/x"}, lost(sup.RestartChild(t.Context(), "in")))
		}
		require.Equal(t, []string{"/root/in/x"}, lost(sup.RemoveChild(t.Context(), "in")))
		synctest.Wait()
		require.Len(t, ends, 4)
		for _, err := range ends {
			require.Len(t, lost(err), 1)
		}
		require.Len(t, lost(sup.Stop(t.Context())), 4, "the root lists all that still run")
	})
}
