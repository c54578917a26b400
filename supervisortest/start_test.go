package supervisortest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/failing"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

var errBoom = errors.New("boom")

func TestStartStopsTheTreeWhenTheTestEnds(t *testing.T) {
	t.Parallel()
	a := &supervisortest.Child{}
	var sup *supervisor.Supervisor
	t.Run("test", func(t *testing.T) {
		sup = supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
		require.NoError(t, sup.Health())
	})
	<-sup.Done()
	require.ErrorIs(t, a.Runs()[0].Cause, child.ErrStopped)
}

func TestStartWorksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: (&supervisortest.Child{}).Run}}})
		require.NoError(t, sup.Health())
	})
}

func TestAFailedStartFailsTheTestAndPrintsTheEvents(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) {
		a := &supervisortest.Child{FailStarts: 1, StartError: errBoom}
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
	})
	require.Contains(t, text, "start: /root/a: boom\nevents of /root:")
}

func TestStartWithAnInvalidSpecFailsTheTest(t *testing.T) {
	text := failing.Test(t, func(t testing.TB) {
		supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a"}}})
	})
	require.Contains(t, text, "start: /root/a: Run: nil")
}

func TestAnAbandonedRunFailsTheTestAndIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			a := &supervisortest.Child{StopAfter: child.Forever}
			jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run}}})
			supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
		})
		require.Contains(t, text, "stop: /root/jobs/a: did not stop within 5s")
		require.Contains(t, text, "supervisortest.(*Child).stop", "its stack")
		require.Contains(t, text, "        5s  abandoned /root/jobs/a")
	})
}

// A run that the test releases at its very end is not abandoned.
func TestARunReleasedAtTheEndOfTheTestIsNotAbandoned(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			a := &supervisortest.Child{StopAfter: child.Forever}
			defer a.Release()
			sup := supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: a.Run, StopTimeout: time.Second}}})
			require.Error(t, sup.StopChild(t.Context(), "a"))
		})
	}
}

func TestATestThatFailsPrintsTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: (&supervisortest.Child{}).Run}}})
			t.Errorf("it was wrong")
		})
		require.Equal(t, `it was wrong
events of /root:
        0s  starting /root/a
        0s  ready /root/a
        0s  up /root
        0s  closing /root: stopped
        0s  stopping /root/a: stopped
        0s  stopped /root/a
        0s  over /root`, text)
	})
}

func TestAnErrorDuringTheStopFailsTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := failing.Test(t, func(t testing.TB) {
			supervisortest.Start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				return errBoom
			}}}})
		})
		require.Contains(t, text, "stop: /root/a: stopped with an error: boom")
	})
}
