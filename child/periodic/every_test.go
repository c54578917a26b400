package periodic_test

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func TestEveryDoesNotDrift(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, n := newDiary(), 0
		j, _ := start(t, periodic.Spec{Every: time.Minute, Do: func(ctx context.Context) error {
			d.note()
			n++
			child.Sleep(ctx, time.Duration(n%3)*20*time.Second)
			return nil
		}})
		time.Sleep(5*time.Minute + time.Second)
		d.requireCalls(t, time.Minute, 2*time.Minute, 3*time.Minute, 4*time.Minute, 5*time.Minute)
		time.Sleep(100 * time.Hour)
		calls := d.take()
		require.Len(t, calls, 6000)
		require.Equal(t, 6005*time.Minute, calls[5999])
		require.Zero(t, j.State().Missed)
	})
}

func TestAtStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDiary()
		_, root := start(t, periodic.Spec{Every: time.Minute, Jitter: time.Second, AtStart: true, Do: func(context.Context) error { d.note(); return nil }})
		d.requireCalls(t, 0)
		time.Sleep(30 * time.Second)
		require.NoError(t, root.RestartChild(bg, "sweep"))
		d.requireCalls(t, 30*time.Second)
		time.Sleep(61 * time.Second)
		calls := d.take()
		require.Len(t, calls, 1, "Every counts from the start of the run")
		require.GreaterOrEqual(t, calls[0], 90*time.Second)
	})
}

func TestWhatIsMissedIsReportedAndNotMadeUpFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, long := newDiary(), 3*time.Minute+30*time.Second
		j, root := start(t, periodic.Spec{Every: time.Minute, Do: func(context.Context) error {
			d.note()
			time.Sleep(long)
			long = 0
			return nil
		}})
		reported := root.Watch(t.Context(), "sweep", supervisor.EventError)
		began := time.Now()
		err := (<-reported).Err
		require.ErrorIs(t, err, periodic.ErrMissed)
		require.EqualError(t, err, "missed calls: 3 since "+began.Add(2*time.Minute).UTC().Format("2006-01-02T15:04:05Z"))
		time.Sleep(2 * time.Minute)
		d.requireCalls(t, time.Minute, 5*time.Minute, 6*time.Minute)
		require.EqualValues(t, 3, j.State().Missed)
	})
}

// A call that ends at the moment of the next one has missed nothing, and neither has one that
// ends within the jitter of the next one.
func TestWhatIsNotMissed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, _ := start(t, periodic.Spec{Every: time.Minute, Do: func(ctx context.Context) error { child.Sleep(ctx, time.Minute); return nil }})
		time.Sleep(time.Hour + time.Second)
		synctest.Wait()
		require.Zero(t, j.State().Missed)
		require.EqualValues(t, 59, j.State().Calls)
	})
	bubble(t, func(t *testing.T) {
		j, _ := start(t, periodic.Spec{Every: time.Minute, Jitter: 59 * time.Second, Do: func(ctx context.Context) error { child.Sleep(ctx, 50*time.Second); return nil }})
		time.Sleep(1000 * time.Minute)
		synctest.Wait()
		require.Zero(t, j.State().Missed)
		require.Greater(t, j.State().Calls, uint64(995))
	})
}

func TestJitterDelaysAndDoesNotAddUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDiary()
		start(t, periodic.Spec{Every: time.Minute, Jitter: 10 * time.Second, Do: func(context.Context) error { d.note(); return nil }})
		time.Sleep(1001 * time.Minute)
		calls := d.take()
		require.GreaterOrEqual(t, len(calls), 1000)
		late := 0
		for i, at := range calls[:1000] {
			delay := at - time.Duration(i+1)*time.Minute
			require.GreaterOrEqual(t, delay, time.Duration(0))
			require.Less(t, delay, 10*time.Second)
			if delay > 5*time.Second {
				late++
			}
		}
		require.InDelta(t, 500, late, 150)
	})
}

func TestAFailureFailsTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, n := newDiary(), 0
		j, root := start(t, periodic.Spec{Every: time.Minute, Do: func(context.Context) error {
			d.note()
			if n++; n == 2 {
				return errBoom
			}
			return nil
		}})
		failed := root.Watch(t.Context(), "sweep", supervisor.EventFailed)
		require.ErrorIs(t, (<-failed).Err, errBoom)
		synctest.Wait()
		require.False(t, j.State().Running)
		time.Sleep(62 * time.Second)
		d.requireCalls(t, time.Minute, 2*time.Minute, 3*time.Minute+time.Second)
		require.EqualValues(t, 1, j.State().Failed)
		require.True(t, j.State().Running)
	})
}

func TestWithGoOnAFailureIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, root := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error { return errBoom }})
		reported := root.Watch(t.Context(), "sweep", supervisor.EventError)
		for range 3 {
			require.Equal(t, errBoom, (<-reported).Err)
		}
		st := j.State()
		require.EqualValues(t, 3, st.Calls)
		require.EqualValues(t, 3, st.Failed)
		require.Equal(t, errBoom, st.Err)
		require.Zero(t, st.LastSuccess)
		status, _ := root.Lookup("sweep")
		require.Zero(t, status.Restarts)
	})
}

func TestAPanicFailsTheRunEvenWithGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, root := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error { panic("boom") }})
		failed := root.Watch(t.Context(), "sweep", supervisor.EventFailed)
		var panicked *child.PanicError
		require.ErrorAs(t, (<-failed).Err, &panicked)
		require.EqualValues(t, 1, j.State().Failed)
		require.ErrorContains(t, j.State().Err, "has panicked")
		require.Zero(t, j.State().Calling)
	})
}

func TestTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, root := start(t, periodic.Spec{Every: time.Minute, Timeout: 20 * time.Second, GoOn: true, Do: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		reported := root.Watch(t.Context(), "sweep", supervisor.EventError)
		err := (<-reported).Err
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "timed out after 20s")
		require.Equal(t, 20*time.Second, j.State().Took)
	})
}

func TestAStopEndsTheCallAndWaitsForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for err, clean := range map[error]bool{nil: true, context.Canceled: true, errBoom: false} {
			calling := make(chan struct{})
			j, root := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(ctx context.Context) error {
				close(calling)
				<-ctx.Done()
				time.Sleep(time.Second)
				return err
			}})
			<-calling
			require.False(t, j.State().Calling.IsZero())
			began := time.Now()
			stop := root.Stop(bg)
			require.Equal(t, time.Second, time.Since(began))
			var unclean *supervisor.StopError
			if clean {
				require.NoError(t, stop)
			} else {
				require.ErrorAs(t, stop, &unclean, "nothing is silent")
			}
			require.False(t, j.State().Running)
			require.Zero(t, j.State().Next)
		}
	})
}

func TestTheStatusText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var result atomic.Pointer[error]
		_, root := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error {
			time.Sleep(1234567 * time.Microsecond)
			if err := result.Load(); err != nil {
				return *err
			}
			return nil
		}})
		require.Equal(t, "next 2000-01-01T00:01:00Z", text(root))
		time.Sleep(time.Minute)
		require.Equal(t, "running since 2000-01-01T00:01:00Z", text(root))
		time.Sleep(2 * time.Second)
		require.Equal(t, "last 2000-01-01T00:01:00Z took 1.23s, next 2000-01-01T00:02:00Z", text(root))
		result.Store(&child.ErrGone)
		time.Sleep(time.Minute)
		require.Equal(t, "next 2000-01-01T00:03:00Z, last 2000-01-01T00:02:00Z failed after 1.23s: gone for good", text(root))
	})
}

// An asking is an error whose text asks the job.
type asking struct{ of *atomic.Pointer[periodic.Job] }

func (a asking) Error() string { return fmt.Sprint("failed before: ", a.of.Load().State().Failed-1) }

func TestTheTextOfAnErrorMayAskTheJob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var asked atomic.Pointer[periodic.Job]
		j, root := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error {
			return asking{&asked}
		}})
		asked.Store(j)
		time.Sleep(2 * time.Minute)
		require.Equal(t, "next 2000-01-01T00:03:00Z, last 2000-01-01T00:02:00Z failed after 0s: failed before: 1", text(root))
	})
}

func TestIntervalsWithoutMeasure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDiary()
		j, _ := start(t, periodic.Spec{Every: math.MaxInt64, Jitter: math.MaxInt64 - 1, AtStart: true, Do: func(context.Context) error { d.note(); return nil }})
		synctest.Wait() // else the first call might answer Now
		require.NoError(t, j.Now(bg))
		d.requireCalls(t, 0, 0)
	})
	bubble(t, func(t *testing.T) {
		j, root := start(t, periodic.Spec{Every: 1, GoOn: true, Do: func(context.Context) error { time.Sleep(time.Second); return nil }})
		time.Sleep(10 * time.Second)
		require.NoError(t, root.Stop(bg))
		require.InDelta(t, 10, j.State().Calls, 1)
		require.Greater(t, j.State().Missed, uint64(8e9))
	})
}

func TestJobKeepsTheContractOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		supervisortest.Check(t, func() child.Runnable {
			return periodic.New(periodic.Spec{Every: time.Millisecond, AtStart: true, Do: func(context.Context) error { return nil }})
		})
	})
}

func TestProblemsOfASpec(t *testing.T) {
	do := func(context.Context) error { return nil }
	next := func(t time.Time) time.Time { return t.Add(1) }
	for want, spec := range map[string]periodic.Spec{
		"Do: nil":                                {Every: 1},
		"Every: negative: -1ns":                  {Do: do, Every: -1},
		"Every: set, and so is Next":             {Do: do, Every: 1, Next: next},
		"Every: zero, and Next is nil":           {Do: do},
		"Jitter: negative: -1ns":                 {Do: do, Next: next, Jitter: -1},
		"Jitter: 2s, but must be less than Ever": {Do: do, Every: time.Second, Jitter: 2 * time.Second},
		"Timeout: negative: -1ns":                {Do: do, Every: 1, Timeout: -1},
	} {
		require.ErrorContains(t, spec.Validate(), want)
		var fault *child.SpecError
		require.ErrorAs(t, periodic.New(spec).Run(child.FromContext(bg)), &fault)
	}
	require.NoError(t, periodic.Spec{Do: do, Next: next, Jitter: time.Hour}.Validate())
	require.ErrorContains(t, periodic.New(periodic.Spec{}).Run(nil), "nil context")
}
