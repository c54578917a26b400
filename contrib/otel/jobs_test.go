package coppiceotel_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/contrib/otel"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

const (
	lastSuccess = "coppice.periodic.last_success"
	sweep       = lastSuccess + "{coppice.child.path=/shop/sweep}"
)

// newSweep returns a job whose calls, one each minute, return err.
func newSweep(err error) *periodic.Job {
	return periodic.New(periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error { return err }})
}

// jobs returns the number of series of jobs.
func jobs(series map[string]float64) (n int) {
	for name := range series {
		if strings.HasPrefix(name, lastSuccess) {
			n++
		}
	}
	return n
}

func TestAJobOfTheTreeIsReportedWithoutRegistration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var fails atomic.Bool
		j := periodic.New(periodic.Spec{Every: time.Minute, Do: func(context.Context) error {
			if fails.Load() {
				return errBoom
			}
			return nil
		}})
		r := newRig(coppiceotel.Spec{})
		root := r.start(t, supervisor.Spec{Backoff: child.Constant(time.Hour), Children: []child.Spec{{Name: "sweep", Run: j.Run}}})
		found := r.series(t)
		require.Contains(t, found, sweep)
		require.Zero(t, found[sweep], "before the first success")
		time.Sleep(90 * time.Second)
		want := time.Now().Add(-30 * time.Second).Unix()
		require.EqualValues(t, want, r.series(t)[sweep])

		fails.Store(true)
		time.Sleep(time.Minute)
		require.EqualValues(t, want, r.series(t)[sweep], "it waits for its restart")
		require.NoError(t, root.StopChild(t.Context(), "sweep"))
		for range 2 {
			require.EqualValues(t, want, r.series(t)[sweep], "its child is still in the tree")
		}

		fails.Store(false)
		require.NoError(t, root.RestartChild(t.Context(), "sweep"))
		require.EqualValues(t, want, r.series(t)[sweep], "what a job knows survives restarts")
		time.Sleep(90 * time.Second)
		require.EqualValues(t, time.Now().Add(-30*time.Second).Unix(), r.series(t)[sweep])

		require.NoError(t, root.Upgrade(supervisor.Spec{Name: "shop", Logger: quiet, Children: []child.Spec{{Name: "sweep", Run: idle}}}))
		require.Equal(t, 1, jobs(r.series(t)), "the job still runs")
		require.NoError(t, root.RestartChild(t.Context(), "sweep"))
		r.series(t)
		time.Sleep(time.Second)
		require.Zero(t, jobs(r.series(t)), "something else is in its place")
	})
}

func TestAJobWhoseScheduleIsOverIsNotOverdue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		once := time.Now().Add(time.Minute)
		j := periodic.New(periodic.Spec{
			Next: func(after time.Time) time.Time {
				if after.Before(once) {
					return once
				}
				return time.Time{}
			},
			Do: func(context.Context) error { return nil },
		})
		r := newRig(coppiceotel.Spec{})
		r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "sweep", Run: j.Run, Restart: child.Transient}}})
		require.Equal(t, 1, jobs(r.series(t)))
		time.Sleep(2 * time.Minute)
		require.Zero(t, jobs(r.series(t)))
	})
}

func TestTheJobOfADynamicChildHasSeriesIfTheChildHas(t *testing.T) {
	for _, asked := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{SeriesFor: func(string) bool { return asked }})
			root := r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}}})
			require.NoError(t, root.StartChild(t.Context(), child.Spec{Name: "sweep", Run: newSweep(nil).Run}))
			_, found := r.series(t)[sweep]
			require.Equal(t, asked, found)
			require.NoError(t, root.RemoveChild(t.Context(), "sweep"))
			require.Zero(t, jobs(r.series(t)))
		})
	}
}

func TestJobsThatDoNotFitAreOmitted(t *testing.T) {
	const tree = 10 + 19
	for room, want := range map[int]struct {
		jobs    int
		omitted float64
	}{
		2*13 + 2: {2, 0},
		2*13 + 1: {1, 1},
		2 * 13:   {0, 2},
	} {
		bubble(t, func(t *testing.T) {
			r := newRig(coppiceotel.Spec{MaxSeries: tree + room})
			r.start(t, supervisor.Spec{Children: []child.Spec{{Name: "one", Run: newSweep(nil).Run}, {Name: "two", Run: newSweep(nil).Run}}})
			synctest.Wait()
			for range 2 {
				found := r.series(t)
				require.Equal(t, want.jobs, jobs(found), "room %d", room)
				require.Equal(t, want.omitted, found["coppice.series.omitted{}"], "room %d", room)
			}
		})
	}
}

// The series of a job that was removed make room for another one.
func TestTheRoomOfARemovedJobIsFree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(coppiceotel.Spec{MaxSeries: 10 + 19 + 13 + 1, SeriesFor: func(string) bool { return true }})
		root := r.start(t, supervisor.Spec{Strategy: strategy.Independent})
		for _, name := range []string{"a", "b", "c"} {
			require.NoError(t, root.StartChild(t.Context(), child.Spec{Name: name, Run: newSweep(nil).Run}))
			found := r.series(t)
			require.Contains(t, found, lastSuccess+"{coppice.child.path=/shop/"+name+"}")
			require.Zero(t, found["coppice.series.omitted{}"])
			require.NoError(t, root.RemoveChild(t.Context(), name))
			synctest.Wait()
			r.series(t)
		}
	})
}

// A collection in the middle of a restart must not end the series: an alert that waits would
// begin to wait again.
func TestAJobThatKeepsFailingAlwaysHasItsSeries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := periodic.New(periodic.Spec{Every: time.Hour, AtStart: true, Do: func(context.Context) error { return errBoom }})
		r := newRig(coppiceotel.Spec{})
		r.start(t, supervisor.Spec{Intensity: strategy.Unlimited(), Children: []child.Spec{{Name: "sweep", Run: j.Run}}})
		for jobs(r.series(t)) == 0 { // until one sees it run
		}
		for range 100 {
			require.Equal(t, 1, jobs(r.series(t)))
		}
	})
}
