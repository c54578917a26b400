package supervisor_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// left returns the paths of the runs that a stop has abandoned, and how long it
// waited for each.
func left(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var stop *supervisor.StopError
	require.ErrorAs(t, err, &stop)
	lines := []string{}
	for _, s := range stop.Abandoned {
		lines = append(lines, s.Path+" "+s.After.String())
	}
	return lines
}

func TestBudgetCancelsAllAtNineTenthsAndAbandonsTheRestAtItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		sup := startLoosely(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
			{Name: "a", Run: deaf.Run},
			{Name: "b", Run: slow(0, 100*time.Millisecond)},
			{Name: "c", Run: deaf.Run, StopTimeout: time.Minute},
			{Name: "d", Run: deaf.Run, StopTimeout: 4 * time.Second},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		err := sup.Stop(t.Context())
		require.Equal(t, []string{
			"stopping /root/d 0s", "abandoned /root/d 4s",
			"stopping /root/c 4s",
			"stopping /root/a 9s", "stopping /root/b 9s",
			"stopped /root/b 9.1s",
			"abandoned /root/a 10s", "abandoned /root/c 10s",
		}, stops(recorded, began))
		require.Equal(t, []string{"/root/d 4s", "/root/a 1s", "/root/c 6s"}, left(t, err))
	})
}

func TestBudgetThatSufficesChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
			{Name: "a", Run: slow(0, 4*time.Second)},
			{Name: "b", Run: slow(0, 4*time.Second)},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, []string{
			"stopping /root/b 0s", "stopped /root/b 4s", "stopping /root/a 4s", "stopped /root/a 8s",
		}, stops(recorded, began))
		time.Sleep(time.Hour)
		require.NoError(t, sup.Start(t.Context()), "and its timers do not reach the next life")
		time.Sleep(time.Hour)
		require.Len(t, sup.Children(child.Running), 2)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestBudgetHoldsForChildrenThatMayTakeForever(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				deaf := &supervisortest.Child{StopAfter: child.Forever}
				defer deaf.Release()
				sup := startLoosely(t, supervisor.Spec{Strategy: s, StopTimeout: 10 * time.Second, Children: []child.Spec{
					{Name: "a", Run: deaf.Run, StopTimeout: child.Forever},
				}})
				began := time.Now()
				require.Equal(t, []string{"/root/a 10s"}, left(t, sup.Stop(t.Context())))
				require.Equal(t, 10*time.Second, time.Since(began))
			})
		})
	}
}

func TestBudgetHoldsInNestedSupervisorsAndTheReportNamesTheLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "p", Run: slow(0, 100*time.Millisecond)},
			{Name: "q", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(0, 100*time.Millisecond)},
			{Name: "deep", Run: deep.Run},
		}})
		sup := startLoosely(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
			{Name: "a", Run: slow(0, 100*time.Millisecond)},
			{Name: "inner", Run: inner.Run},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		require.Equal(t, []string{"/root/inner/deep/q 10s"}, left(t, sup.Stop(t.Context())))
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, []string{
			"stopping /root/inner 0s", "stopping /root/inner/deep 0s", "stopping /root/inner/deep/q 0s",
			"stopping /root/a 9s", "stopping /root/inner/x 9s", "stopping /root/inner/deep/p 9s",
		}, stops(recorded, began)[:6])
	})
}

func TestStopTimeoutOfANestedSupervisorBoundsItAndTheReportNamesTheLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "p", Run: idle},
			{Name: "q", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(0, 100*time.Millisecond)},
			{Name: "deep", Run: deep.Run},
		}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "inner", Run: inner.Run, StopTimeout: 10 * time.Second},
		}})
		began := time.Now()
		require.Equal(t, []string{"/root/inner/deep/q 10s"}, left(t, sup.Stop(t.Context())),
			"those in front of it are asked at nine tenths, and are in time")
		require.Equal(t, 10*time.Second, time.Since(began))
	})
}

func TestNestedSupervisorThatMustStopAtOnceDoesAndTheReportNamesTheLeaf(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: deaf.Run}}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run, StopTimeout: child.AtOnce},
		}})
		began := time.Now()
		require.Equal(t, []string{"/root/inner/x 0s"}, left(t, sup.Stop(t.Context())))
		require.Zero(t, time.Since(began))
	})
}

func TestNestedSupervisorsOwnBudgetHoldsToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		inner := supervisor.New(supervisor.Spec{StopTimeout: 3 * time.Second, Children: []child.Spec{
			{Name: "x", Run: deaf.Run, StopTimeout: child.Forever},
		}})
		sup := startLoosely(t, supervisor.Spec{StopTimeout: time.Minute, Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		began := time.Now()
		require.Equal(t, []string{"/root/inner/x 3s"}, left(t, sup.Stop(t.Context())))
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

// around is a user's type around a supervisor, with something to do after it.
type around struct {
	inside *supervisor.Supervisor
	after  func()
}

func (a around) Run(ctx child.Context) error {
	err := a.inside.Run(ctx)
	a.after()
	return err
}

func TestTypeAroundASupervisorHasItsStopTimeoutForItselfAfterIt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		timeout time.Duration
		takes   time.Duration // after the minute that the supervisor takes
	}{
		{"the default", 0, 5 * time.Second},
		{"its own", 2 * time.Minute, 2 * time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
					{Name: "x", Run: slow(0, time.Minute), StopTimeout: child.Forever},
				}})
				sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
					{Name: "pool", StopTimeout: tc.timeout, Run: around{inner, func() { <-release }}.Run},
				}})
				began := time.Now()
				err := sup.Stop(t.Context())
				require.Equal(t, time.Minute+tc.takes, time.Since(began))
				require.Equal(t, []string{"/root/pool " + tc.takes.String()}, left(t, err))
				var stop *supervisor.StopError
				require.ErrorAs(t, err, &stop)
				require.Contains(t, string(stop.Abandoned[0].Stack), "supervisor_test.around.Run")
			})
		})
	}
}

// What is left of such a type after its supervisor was cut short has a second.
func TestTypeAroundASupervisorDoesNotOutlastTheBudget(t *testing.T) {
	for _, timeout := range []time.Duration{0, time.Hour, child.Forever} {
		t.Run(timeout.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				deaf := &supervisortest.Child{StopAfter: child.Forever}
				defer deaf.Release()
				inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
					{Name: "x", Run: deaf.Run, StopTimeout: child.Forever},
				}})
				sup := startLoosely(t, supervisor.Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
					{Name: "pool", StopTimeout: timeout, Run: around{inner, func() { <-release }}.Run},
				}})
				began := time.Now()
				require.Equal(t, []string{"/root/pool/x 10s", "/root/pool 1s"}, left(t, sup.Stop(t.Context())))
				require.Equal(t, 11*time.Second, time.Since(began))
			})
		})
	}
}

func TestStopWhoseContextEndsCancelsAllThatRemainAndTheirTimeoutsHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(0, 2*time.Second)},
			{Name: "y", Run: deaf.Run, StopTimeout: 20 * time.Second},
		}})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: deaf.Run},
			{Name: "b", Run: slow(0, time.Second)},
			{Name: "inner", Run: inner.Run},
		}})
		recorded, began := record(t, sup, stopKinds...), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		require.Equal(t, []string{"/root/a 5s", "/root/inner/y 20s"}, left(t, sup.Stop(ctx)))
		require.Equal(t, []string{
			"stopping /root/inner 0s", "stopping /root/inner/y 0s",
			"stopping /root/a 3s", "stopping /root/b 3s", "stopping /root/inner/x 3s",
			"stopped /root/b 4s", "stopped /root/inner/x 5s",
			"abandoned /root/a 8s", "abandoned /root/inner/y 20s", "stopped /root/inner 20s",
		}, stops(recorded, began))
	})
}

func TestStopWithAnEndedContextCancelsAllAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, 3*time.Second)},
			{Name: "b", Run: slow(0, 3*time.Second)},
		}})
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, sup.Stop(ctx))
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}
