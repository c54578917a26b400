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
	"github.com/coppice-go/coppice/supervisortest"
)

// What go-service's own tests expect of its runner, each as a case of ours with
// the name it has there: row 130 of docs/from-go-service.md. Those that stood in
// comments there run here. In virtual time a delay is exact.

// runner is what go-service's Runner was: children that come and go, side by
// side, and are not restarted.
func runner(t *testing.T) *supervisor.Supervisor {
	return start(t, supervisor.Spec{Strategy: strategy.Independent})
}

// svc is a service as go-service has them: Temporary.
func svc(name string, run func(child.Context) error) child.Spec {
	return child.Spec{Name: name, Run: run, Restart: child.Temporary, StopTimeout: child.Forever}
}

// ends returns a Run that is ready, and ends with err after d.
func ends(d time.Duration, err error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		if child.Sleep(ctx, d) {
			return nil
		}
		return err
	}
}

var errServiceEnded = errors.New("service ended")

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// goService are the cases. A halt is RemoveChild, for which one that is gone is fine.
var goService = map[string]func(t *testing.T){
	"RunnerStart": func(t *testing.T) {
		r := runner(t)
		for range 5 {
			require.NoError(t, r.StartChild(t.Context(), svc("s", idle)))
			require.Equal(t, child.Running, state(t, r, "s"))
			require.ErrorIs(t, r.StartChild(t.Context(), svc("s", idle)), supervisor.ErrDuplicate)
			for range 2 {
				require.NoError(t, r.RemoveChild(t.Context(), "s"))
				_, found := r.Lookup("s")
				require.False(t, found)
			}
		}
	},
	"RunnerHalt": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s1", idle)))
		for range 3 {
			require.NoError(t, r.RemoveChild(t.Context(), "s1"))
		}
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		stopped := record(t, r, supervisor.EventStopped)
		require.NoError(t, r.StartChild(t.Context(), svc("s2", deaf.Run)))
		err := r.RemoveChild(within(t, time.Nanosecond), "s2")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, stopped.lines())
		deaf.Release()
		require.Equal(t, []string{"stopped s2"}, stopped.lines())
	},
	"RunnerSameServiceMultipleRunners": func(t *testing.T) {
		one, two := runner(t), runner(t)
		s := svc("s", slow(2*time.Second, 0))
		for _, r := range []*supervisor.Supervisor{one, two} {
			require.NoError(t, r.StartChild(t.Context(), s))
		}
		for _, r := range []*supervisor.Supervisor{one, two} {
			require.Equal(t, child.Running, state(t, r, "s"))
			require.NoError(t, r.RemoveChild(t.Context(), "s"))
			require.Empty(t, r.Children())
		}
	},
	"RunnerStartMultiple": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s1", slow(time.Second, time.Second)), svc("s2", slow(time.Second, time.Second))))
		began := time.Now()
		require.NoError(t, r.RemoveChild(t.Context(), "s1", "s2"))
		require.Equal(t, time.Second, time.Since(began), "side by side")
		require.Empty(t, r.Children())
	},
	"RunnerStartServiceEnds": func(t *testing.T) { endsAfterReady(t, 0) },
	"RunnerStartErrorBeforeReady": func(t *testing.T) {
		r := runner(t)
		failed := record(t, r, supervisor.EventReady, supervisor.EventFailed)
		err := r.StartChild(t.Context(), svc("s", func(child.Context) error { return errBoom }))
		require.ErrorIs(t, err, errBoom)
		require.EqualError(t, err, "/root/s: boom")
		require.Equal(t, []string{"failed s"}, failed.lines(), "and never ready: go-service's StageReady")
		require.Empty(t, r.Children())
	},
	"RunnerServiceEndsAfterReady": func(t *testing.T) { endsAfterReady(t, 10*time.Millisecond) },
	"RunnerServiceEndsBeforeReady": func(t *testing.T) {
		require.ErrorIs(t, runner(t).StartChild(t.Context(), svc("s", func(child.Context) error { return errBoom })), errBoom)
		// One that returns nil without Ready was a success in go-service, and of a
		// Temporary child it is: a task that is done. Row 6.
		err := runner(t).StartChild(t.Context(), child.Spec{Name: "s", Run: func(child.Context) error { return nil }})
		require.ErrorIs(t, err, child.ErrNotReady)
	},
	"RunnerStartServiceThenStartSecondAfterFirstEnds": func(t *testing.T) {
		r := runner(t)
		over := record(t, r, supervisor.EventFailed, supervisor.EventStopped)
		require.NoError(t, r.StartChild(t.Context(), svc("s1", ends(0, errServiceEnded))))
		require.Equal(t, []string{"failed s1"}, over.lines())
		require.NoError(t, r.StartChild(t.Context(), svc("s2", idle)))
		require.NoError(t, r.RemoveChild(t.Context(), "s2"))
		require.Equal(t, []string{"stopped s2"}, over.lines())
	},
	"RunnerReadyTimeout": func(t *testing.T) {
		r := runner(t)
		err := r.StartChild(within(t, time.Second), svc("s", slow(5*time.Second, 0)))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		// There the service could become started all the same: row 34.
		require.Empty(t, r.Children())
		require.NoError(t, r.RemoveChild(t.Context(), "s"))
	},
	"RunnerStartHaltWhileInStartDelay": haltWhileStarting,
	"RunnerStartShutdownImmediately": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s", idle)))
		require.NoError(t, r.Stop(t.Context()))
		require.Empty(t, r.Children())
		require.ErrorIs(t, r.StartChild(t.Context(), svc("s", idle)), supervisor.ErrNotRunning)
	},
	"RunnerStartDelay": func(t *testing.T) {
		began := time.Now()
		require.NoError(t, runner(t).StartChild(t.Context(), svc("s", slow(2*time.Second, 0))))
		require.Equal(t, 2*time.Second, time.Since(began))
	},
	"RunnerHaltDelay": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s", slow(0, 2*time.Second))))
		began := time.Now()
		require.NoError(t, r.RemoveChild(t.Context(), "s"))
		require.Equal(t, 2*time.Second, time.Since(began))
	},
	"RunnerHaltingState": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s", slow(0, 20*time.Second))))
		halted := async(func() error { return r.RemoveChild(t.Context(), "s") })
		time.Sleep(10 * time.Second)
		require.Equal(t, child.Stopping, state(t, r, "s"))
		require.NoError(t, <-halted)
		require.Empty(t, r.Children())
	},
	"HaltableSleep": func(t *testing.T) {
		for _, d := range []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Hour} { // there not below 50 ms: row 10
			r := runner(t)
			require.NoError(t, r.StartChild(t.Context(), svc("s", ends(d, nil))))
			began := time.Now()
			require.NoError(t, r.RemoveChild(t.Context(), "s"))
			require.Zero(t, time.Since(began))
			require.NoError(t, r.StartChild(t.Context(), svc("s", slow(0, d))))
			require.NoError(t, r.RemoveChild(t.Context(), "s"))
			require.Equal(t, d, time.Since(began), "one that cannot be ended early")
		}
	},
	"RunnerOnError": func(t *testing.T) {
		reports := func(delay, tick time.Duration, n int) func(child.Context) error {
			return func(ctx child.Context) error {
				if child.Sleep(ctx, delay) {
					return nil
				}
				if err := ctx.Ready(); err != nil {
					return err
				}
				for i := range n {
					child.Sleep(ctx, tick)
					ctx.OnError(fmt.Errorf("%s %d", ctx.Path(), i))
				}
				<-ctx.Done()
				return nil
			}
		}
		r := runner(t)
		reported := record(t, r, supervisor.EventError)
		require.NoError(t, r.StartChild(t.Context(),
			svc("s1", reports(4*time.Second, 2*time.Second, 4)), svc("s2", reports(6*time.Second, 3*time.Second, 3))))
		time.Sleep(time.Minute)
		texts := map[string]bool{}
		for _, e := range reported.take() {
			texts[e.Err.Error()] = true
		}
		require.Len(t, texts, 4+3)
		require.EqualError(t, lookup(t, r, "s1").LastError, "/root/s1 3")
		require.NoError(t, r.Stop(t.Context()))
	},
	"RunnerShutdown": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s1", idle), svc("s2", idle)))
		require.Len(t, r.Children(child.Running), 2)
		require.NoError(t, r.Stop(t.Context()))
		require.NoError(t, r.Stop(t.Context()), "safe to repeat")
	},
	"RunnerServices": func(t *testing.T) {
		r := runner(t)
		require.Empty(t, r.Children())
		require.NoError(t, r.StartChild(t.Context(), svc("2", idle)))
		require.NoError(t, r.StartChild(t.Context(), svc("3", idle)))
		require.NoError(t, r.StartChild(t.Context(), svc("1", idle)))
		require.Empty(t, r.Children(child.Stopped, child.Done))
		require.Equal(t, []string{"2", "3", "1"}, names(r.Children(child.Running)), "in start order, there at random")
		require.Equal(t, []string{"2", "3", "1"}, names(r.Children(child.Starting, child.Running)), "there a query for two states found nothing: row 58")
		buf := make([]child.Status, 0, 10)
		got := r.AppendChildren(buf, 2, child.Running)
		require.Equal(t, []string{"2", "3"}, names(got))
		require.Same(t, &buf[:1][0], &got[0], "reusable memory")
		require.NoError(t, r.RemoveChild(t.Context(), "1", "2", "3"))
		require.Empty(t, r.Children())
	},
	"RunnerServiceFunc": func(t *testing.T) {
		r, ready := runner(t), make(chan struct{})
		started := async(func() error { return r.StartChild(t.Context(), svc("s", readyOn(ready, nil))) })
		synctest.Wait()
		require.Equal(t, child.Starting, state(t, r, "s"))
		require.ErrorIs(t, r.StartChild(t.Context(), svc("s", idle)), supervisor.ErrDuplicate)
		close(ready)
		require.NoError(t, <-started)
		require.NoError(t, r.RemoveChild(t.Context(), "s"))
	},
	"RunnerServiceWithHaltingGoroutines": func(t *testing.T) {
		r, ready, yep := runner(t), make(chan struct{}), make(chan struct{})
		started := async(func() error { return r.StartChild(t.Context(), svc("s", readyOn(ready, yep))) })
		close(ready)
		require.NoError(t, <-started)
		require.NoError(t, r.RemoveChild(t.Context(), "s"))
		<-yep
	},
	"RunnerServiceWithHaltingGoroutinesOnEndError": func(t *testing.T) {
		r, yep := runner(t), make(chan struct{})
		require.NoError(t, r.StartChild(t.Context(), svc("s", func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			go func() {
				<-ctx.Done()
				close(yep)
			}()
			return errBoom
		})))
		<-yep // the end of Run closes Done
	},
	"RunnerServiceHaltedNotRetained": func(t *testing.T) {
		r := runner(t)
		require.NoError(t, r.StartChild(t.Context(), svc("s", idle)))
		require.NoError(t, r.StopChild(t.Context(), "s"))
		require.Empty(t, r.Children())
		require.NoError(t, r.StartChild(t.Context(), svc("s", idle)), "its name is free: row 47")
	},
	"RunnerServiceEndedNotRetained": func(t *testing.T) { endsAfterReady(t, 0) },
	"RunnerHaltWhileStarting":       haltWhileStarting,
	"RunnerHaltWhileHalting":        overlappingHalts,
	"RunnerHaltOverlap":             overlappingHalts,
}

func TestWhatGoServiceExpectsOfItsRunner(t *testing.T) {
	for name, expects := range goService {
		t.Run(name, func(t *testing.T) { bubble(t, expects) })
	}
}

// async runs f in the background.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// readyOn is ready when its channel is closed, and closes yep, if any, when it halts.
func readyOn(ready <-chan struct{}, yep chan<- struct{}) func(child.Context) error {
	return func(ctx child.Context) error {
		<-ready
		if err := ctx.Ready(); err != nil {
			return err
		}
		if yep != nil {
			go func() {
				<-ctx.Done()
				close(yep)
			}()
		}
		<-ctx.Done()
		return nil
	}
}

func endsAfterReady(t *testing.T, d time.Duration) {
	r := runner(t)
	recorded := record(t, r, supervisor.EventReady, supervisor.EventFailed, supervisor.EventRemoved)
	require.NoError(t, r.StartChild(t.Context(), svc("s", ends(d, errServiceEnded))))
	time.Sleep(d)
	events := recorded.take()
	require.Len(t, events, 3)
	require.Equal(t, supervisor.EventReady, events[0].Kind, "then it is a failure of the run: go-service's StageRun")
	require.Equal(t, supervisor.EventFailed, events[1].Kind)
	require.Equal(t, errServiceEnded, events[1].Err)
	require.Equal(t, supervisor.EventRemoved, events[2].Kind)
	require.Empty(t, r.Children(), "not retained")
}

func haltWhileStarting(t *testing.T) {
	r := runner(t)
	started := async(func() error { return r.StartChild(t.Context(), svc("s", slow(10*time.Second, 0))) })
	time.Sleep(time.Second)
	require.Len(t, r.Children(child.Starting), 1)
	require.NoError(t, r.RemoveChild(t.Context(), "s"))
	require.Empty(t, r.Children())
	require.ErrorIs(t, <-started, child.ErrRemoved)
}

func overlappingHalts(t *testing.T) {
	r := runner(t)
	require.NoError(t, r.StartChild(t.Context(), svc("s", slow(0, 10*time.Second))))
	began := time.Now()
	first := async(func() error { return r.RemoveChild(t.Context(), "s") })
	second := async(func() error { return r.RemoveChild(t.Context(), "s") })
	time.Sleep(5 * time.Second)
	third := async(func() error { return r.StopChild(t.Context(), "s") })
	for _, halted := range []<-chan error{first, second, third} {
		require.NoError(t, <-halted)
		require.Equal(t, 10*time.Second, time.Since(began))
	}
}
