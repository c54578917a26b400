package supervisor_test

import (
	"context"
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

// graphOf returns a spec with strategy.Graph and a silent logger.
func graphOf(children ...child.Spec) supervisor.Spec {
	return supervisor.Spec{Strategy: strategy.Graph, Logger: quiet, Intensity: strategy.Unlimited(), Children: children}
}

// at returns the events since the last take as text, with the time of each since began.
func (r *recorder) at(began time.Time) (lines []string) {
	for _, e := range r.take() {
		lines = append(lines, fmt.Sprintf("%v %s", e.Time.Sub(began), short(e)))
	}
	return lines
}

// A database and a cache start side by side. The API starts when both are ready, and the
// admin page when the database is. They stop the other way round.
func TestGraphStartsAndStopsAlongWhatChildrenNeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(graphOf(
			child.Spec{Name: "api", Run: slow(time.Second, time.Second), Needs: []string{"db"}, After: []string{"cache"}},
			child.Spec{Name: "admin", Run: slow(time.Second, 3*time.Second), Needs: []string{"db"}},
			child.Spec{Name: "cache", Run: slow(5*time.Second, time.Second)},
			child.Spec{Name: "db", Run: slow(2*time.Second, time.Second)},
		))
		r := record(t, sup)
		began := time.Now()
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{
			"0s starting /cache", "0s starting /db",
			"2s ready /db", "2s starting /admin", "3s ready /admin",
			"5s ready /cache", "5s starting /api", "6s ready /api",
		}, r.at(began))

		began = time.Now()
		require.NoError(t, sup.Stop(context.Background()))
		require.Equal(t, []string{
			"0s stopping /api", "0s stopping /admin",
			"1s stopped /api", "1s stopping /cache", "2s stopped /cache",
			"3s stopped /admin", "3s stopping /db", "4s stopped /db",
		}, r.at(began))
	})
}

// A task that others need runs once: that it is done is as good as ready. It is done again
// with a child that it needs.
func TestGraphStartsAfterATask(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ran := 0
		p := newPuppet()
		sup := start(t, graphOf(
			child.Spec{Name: "db", Run: p.Run},
			child.Spec{Name: "migrate", Restart: child.Transient, Needs: []string{"db"}, Run: child.Task(func(context.Context) error { ran++; return nil })},
			child.Spec{Name: "api", Run: idle, Needs: []string{"migrate"}},
		))
		require.Equal(t, []string{"running", "done", "running"}, states(sup))
		p.end(errBoom)
		require.Equal(t, []string{"running", "done", "running"}, states(sup))
		require.Equal(t, 2, ran)
		require.NoError(t, sup.StopChild(t.Context(), "migrate"))
		require.Equal(t, []string{"running", "done", "running"}, states(sup), "there was nothing to stop")
	})
}

// states returns the states of the children, once every goroutine of the bubble waits.
func states(sup *supervisor.Supervisor) (all []string) {
	synctest.Wait()
	for _, st := range sup.Children() {
		all = append(all, st.State.String())
	}
	return all
}

// A child that declines to start counts as ready.
func TestGraphStartsWithoutAChildThatDeclines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(
			child.Spec{Name: "api", Run: idle, Needs: []string{"cache"}},
			child.Spec{Name: "cache", Run: func(child.Context) error { return child.ErrIgnore }},
		))
		require.Equal(t, []string{"running", "stopped"}, states(sup))
	})
}

// A first start that fails ends the start of the tree, and is retried with RetryStart: those
// that need the child wait.
func TestGraphRetriesAFirstStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := &supervisortest.Child{FailStarts: 2}
		sup := newRoot(graphOf(
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
			child.Spec{Name: "db", Run: db.Run, RetryStart: true, Backoff: child.Constant(time.Second)},
		))
		r := record(t, sup, supervisor.EventStarting, supervisor.EventReady)
		began := time.Now()
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{"0s starting /db", "1s starting /db", "2s starting /db", "2s ready /db", "2s starting /api", "2s ready /api"}, r.at(began))
		require.NoError(t, sup.Stop(context.Background()))

		other := newRoot(graphOf(
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
			child.Spec{Name: "db", Run: func(child.Context) error { return errBoom }},
		))
		require.EqualError(t, other.Start(t.Context()), "/root/db: boom")
	})
}

// A start that was cut off says what it waits for: the child that was not ready, not those
// that need it.
func TestGraphStartThatIsCutOffNamesWhatItWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(graphOf(
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
			child.Spec{Name: "db", Run: slow(time.Hour, 0)},
		))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := sup.Start(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "/root/db (for 1s)")
		require.NotContains(t, err.Error(), "api")
	})
}

// When the stop timeout of the supervisor is nearly over, all are asked to stop at once.
func TestGraphStopsAllAtOnceWhenTimeIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := graphOf(
			child.Spec{Name: "db", Run: slow(0, 0)},
			child.Spec{Name: "api", Run: slow(0, time.Hour), StopTimeout: child.Forever, Needs: []string{"db"}},
		)
		spec.StopTimeout = 10 * time.Second
		sup := newRoot(spec)
		require.NoError(t, sup.Start(t.Context()))
		r := record(t, sup, supervisor.EventStopping, supervisor.EventAbandoned)
		began := time.Now()
		var stop *supervisor.StopError
		require.ErrorAs(t, sup.Stop(context.Background()), &stop)
		require.Len(t, stop.Abandoned, 1)
		require.Equal(t, []string{"0s stopping /api", "9s stopping /db", "10s abandoned /api"}, r.at(began))
		synctest.Wait()
		time.Sleep(2 * time.Hour)
	})
}
