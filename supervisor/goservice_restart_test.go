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
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// go-service's tests of TimedRestart, and its rows 99 to 107: each option and
// method of it is something that a supervisor does.

// attempt is what TimedRestartNotify was called with.
type attempt struct {
	start int
	err   error
}

// goRestart are the cases, by the names of the tests there.
var goRestart = map[string]func(t *testing.T){
	"TimedRestart_Restart/after ready": func(t *testing.T) {
		restartsTwice(t, ends(0, errBoom))
	},
	"TimedRestart_Restart/before ready": func(t *testing.T) {
		restartsTwice(t, func(child.Context) error { return errBoom })
	},
	"TimedRestart_RunningNormally": func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Backoff: child.Constant(100 * time.Microsecond), Children: []child.Spec{{Name: "s", Run: idle}}})
		recorded := record(t, sup)
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{"starting s", "ready s", "stopping s", "stopped s"}, recorded.lines())
	},
	"TimedRestart_SuspendServiceRunningNormally": func(t *testing.T) {
		sup := start(t, supervisor.Spec{Backoff: child.Constant(100 * time.Microsecond), Children: []child.Spec{{Name: "s", Run: idle}}})
		require.NoError(t, sup.StopChild(t.Context(), "s"))
		time.Sleep(time.Hour)
		require.Equal(t, child.Stopped, state(t, sup, "s"), "stopped and held")
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Running, state(t, sup, "s"))
	},
	// TimedRestart.Suspend of one that waits for its restart: it waits no longer.
	"Suspend while waiting": func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "s", Run: ends(0, errBoom), Backoff: child.Constant(time.Minute)}}})
		synctest.Wait()
		require.Equal(t, child.Waiting, state(t, sup, "s"))
		require.NoError(t, sup.StopChild(t.Context(), "s"))
		time.Sleep(time.Hour)
		require.Equal(t, child.Stopped, state(t, sup, "s"))
	},
	// Suspend(bool) returns whether it has changed something. Here the events show it.
	"Suspend changed": func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "s", Run: idle}}})
		stopped := record(t, sup, supervisor.EventStopped)
		require.NoError(t, sup.StopChild(t.Context(), "s"))
		require.NoError(t, sup.StopChild(t.Context(), "s"))
		require.Equal(t, []string{"stopped s"}, stopped.lines(), "once")
	},
	// TimedRestartActive(false): declared, not started at first. ErrIgnore is how a
	// child says so. Unlike after StopChild, it runs again when its group restarts.
	"TimedRestartActive": func(t *testing.T) {
		var active atomic.Bool
		held := func(ctx child.Context) error {
			if !active.Load() {
				return child.ErrIgnore
			}
			return idle(ctx)
		}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "s", Run: held}, {Name: "after", Run: idle}}})
		require.Equal(t, child.Stopped, state(t, sup, "s"))
		require.Equal(t, child.Running, state(t, sup, "after"))
		require.NoError(t, sup.Health(), "it is as it should be")
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Stopped, state(t, sup, "s"), "not yet")

		active.Store(true)
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Running, state(t, sup, "s"))
		active.Store(false)
		require.NoError(t, sup.RestartChild(t.Context(), "s"))
		require.Equal(t, child.Stopped, state(t, sup, "s"), "suspended again")
	},
	// A slow child made TimedRestart panic: row 106. Here it is a report.
	"Run, slow to halt": func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "s", Run: deaf.Run, StopTimeout: time.Second}}})
		require.Equal(t, []string{"/root/s 1s"}, left(t, sup.RestartChild(t.Context(), "s")))
		require.Equal(t, child.Running, state(t, sup, "s"), "a new run is up")
		require.Equal(t, 1, lookup(t, sup, "s").Abandoned)
		deaf.Release()
	},
	// WaitCalc: a delay that is a function of the author's own, and knows more than
	// there: a backoff counts its attempts, learns of health, and can give up.
	"WaitCalc": func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "s", Run: ends(0, errBoom), Backoff: func() child.BackoffPolicy { return &linear{} }}}})
		delays := record(t, sup, supervisor.EventRestarting)
		require.NoError(t, sup.Start(t.Context()))
		time.Sleep(6 * time.Second)
		var got []time.Duration
		for _, e := range delays.take() {
			got = append(got, e.Delay)
		}
		require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, got[:3])
		require.NoError(t, sup.Stop(t.Context()))
	},
}

// linear is a backoff of one second more after each failure.
type linear struct{ failures int }

func (l *linear) NextBackOff() time.Duration {
	l.failures++
	return time.Duration(l.failures) * time.Second
}

func (l *linear) Reset() { l.failures = 0 }

func TestWhatGoServiceExpectsOfTimedRestart(t *testing.T) {
	for name, expects := range goRestart {
		t.Run(name, func(t *testing.T) { bubble(t, expects) })
	}
}

// restartsTwice is TimedRestartLimit and TimedRestartNotify: two starts, each
// failure reported with its number and error, then the limit. There a limit of n was
// n starts, here Retries counts restarts, so n is one less.
func restartsTwice(t *testing.T, run func(child.Context) error) {
	const limit = 2
	sup := newRoot(supervisor.Spec{Children: []child.Spec{{
		Name: "s", Run: run, RetryStart: true, // as TimedRestart, which is ready at once
		Backoff: child.Constant(100 * time.Microsecond).Retries(limit - 1),
	}}})
	var recorded []attempt
	defer sup.Subscribe(func(e supervisor.Event) {
		recorded = append(recorded, attempt{e.Restarts + 1, e.Err})
	}, supervisor.EventFailed)()
	starts := record(t, sup, supervisor.EventStarting)
	err := sup.Serve(t.Context())
	var gaveUp *supervisor.GaveUpError
	require.ErrorAs(t, err, &gaveUp, "go-service's IsRestartLimitExceeded")
	require.Equal(t, "backoff gave up", gaveUp.Reason)
	require.ErrorIs(t, err, errBoom)
	synctest.Wait()
	require.Equal(t, []attempt{{1, errBoom}, {2, errBoom}}, recorded)
	require.Len(t, starts.take(), limit)
}

// Of the runner: Suspend refuses starts and keeps what runs, Resume (there
// Enable) reopens, and so does Start after Stop. There the runner was one thing,
// here Suspend holds back restarts too: request_suspend_test.go.
func TestWhatGoServiceExpectsOfSuspendAndEnable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("a", idle)))
		r.Suspend(t.Context())
		require.ErrorIs(t, r.StartChild(t.Context(), svc("b", idle)), supervisor.ErrSuspended)
		require.Equal(t, child.Running, state(t, r, "a"))
		r.Resume(t.Context())
		require.NoError(t, r.StartChild(t.Context(), svc("b", idle)))
		require.NoError(t, r.Stop(t.Context()))
		require.ErrorIs(t, r.StartChild(t.Context(), svc("a", idle)), supervisor.ErrNotRunning)
		require.NoError(t, r.Start(t.Context()))
		require.NoError(t, r.StartChild(t.Context(), svc("a", idle)))
	})
}

// Errors: rows 59 to 68.
func TestWhatGoServiceExpectsOfErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("a", idle), svc("b", idle)))
		err := r.RestartChild(t.Context(), "c", "d", "a")
		require.EqualError(t, err, "/root/c: no such child\n/root/d: no such child", "a line for each")
		var all interface{ Unwrap() []error }
		require.ErrorAs(t, err, &all)
		require.Len(t, all.Unwrap(), 2)
		var one *supervisor.ChildError
		require.ErrorAs(t, all.Unwrap()[1], &one)
		require.Equal(t, "/root/d", one.Path)
		require.ErrorIs(t, one.Err, supervisor.ErrNotFound)
		require.NoError(t, errors.Join(), "nil of nothing")
		err = r.StartChild(t.Context(), svc("e", func(child.Context) error { return fmt.Errorf("dial: %w", errBoom) }))
		require.EqualError(t, err, "/root/e: dial: boom", "path and cause, once")
		require.ErrorIs(t, err, errBoom)
	})
}

// A context made inside Run from its own crashed go-service when the run was
// halted: row 3.
func TestAContextDerivedInRunEndsWithIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := runner(t)
		seen := make(chan error, 1)
		require.NoError(t, r.StartChild(t.Context(), svc("s", func(ctx child.Context) error {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-derived.Done()
			seen <- errors.Join(derived.Err(), context.Cause(derived))
			return nil
		})))
		require.NoError(t, r.StopChild(t.Context(), "s"))
		err := <-seen
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, child.ErrStopped)
	})
}
