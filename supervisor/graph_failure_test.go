package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Those that need a child that fails stop, in reverse order, and start again when it is
// ready after its backoff. The events say which child it was.
func TestGraphFailureTakesThoseThatNeedTheChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		causes := make(chan error, 1)
		_, r := recorded(t, graphOf(
			child.Spec{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute)},
			child.Spec{Name: "api", Run: func(ctx child.Context) error {
				err := idle(ctx)
				causes <- context.Cause(ctx)
				return err
			}, Needs: []string{"db"}},
			child.Spec{Name: "edge", Run: idle, Needs: []string{"api"}},
			child.Spec{Name: "cache", Run: idle},
		))
		r.take()
		db.end(errBoom)
		require.ErrorIs(t, <-causes, child.ErrSibling)
		const why = ": group by /root/db, because failed /db"
		require.Equal(t, []string{
			"failed /db: failed",
			"stopping /edge" + why, "stopped /edge" + why,
			"stopping /api" + why, "stopped /api" + why,
			"restarting /db: failed, because failed /db",
		}, r.reasons())
		time.Sleep(time.Minute)
		require.Equal(t, []string{
			"starting /db: failed, because failed /db", "ready /db: failed, because failed /db",
			"starting /api" + why, "ready /api" + why,
			"starting /edge" + why, "ready /edge" + why,
		}, r.reasons())
		go func() { <-causes }()
	})
}

// Two children that fail at the same time take their own with them, and each event names the
// right one.
func TestGraphFailuresAtTheSameTimeAreApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newPuppet(), newPuppet()
		_, r := recorded(t, graphOf(
			child.Spec{Name: "a", Run: a.Run},
			child.Spec{Name: "b", Run: b.Run},
			child.Spec{Name: "ua", Run: slow(0, time.Second), Needs: []string{"a"}},
			child.Spec{Name: "ub", Run: slow(0, time.Second), Needs: []string{"b"}},
		))
		r.take()
		a.end(errBoom)
		b.end(errBoom)
		time.Sleep(2 * time.Second)
		for _, e := range r.take() {
			switch e.Path {
			case "/root/ua":
				require.Equal(t, supervisor.ReasonGroup, e.Reason)
				require.Equal(t, "/root/a", e.By, "%v", e)
			case "/root/ub":
				require.Equal(t, "/root/b", e.By, "%v", e)
			}
		}
	})
}

// While a child waits for its own backoff and one that it needs fails, it starts with that
// one, and its own delay is dropped.
func TestGraphFailureAbsorbsTheBackoffOfThoseThatNeedTheChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db, api := newPuppet(), newPuppet()
		sup := start(t, graphOf(
			child.Spec{Name: "db", Run: db.Run, Backoff: child.Constant(time.Second)},
			child.Spec{Name: "api", Run: api.Run, Needs: []string{"db"}, Backoff: child.Constant(time.Hour)},
		))
		api.end(errBoom)
		st, _ := sup.Lookup("api")
		require.Equal(t, time.Hour, time.Until(st.NextStart))
		db.end(errBoom)
		require.Equal(t, []string{"waiting", "waiting"}, states(sup))
		st, _ = sup.Lookup("api")
		require.Zero(t, st.NextStart)
		require.ErrorContains(t, sup.Health(), "/root/api: not ready: waiting")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"running", "running"}, states(sup))
	})
}

// A child that missed its heartbeat is stopped before those that need it, because nothing
// can be done with it. They follow when it is down.
func TestGraphStopsAHungChildFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hangs := true
		sup := newRoot(graphOf(
			child.Spec{Name: "db", Heartbeat: time.Second, Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				for !child.Sleep(ctx, time.Second/2) {
					if !hangs {
						ctx.Heartbeat()
					}
				}
				hangs = false
				return nil
			}},
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
		))
		require.NoError(t, sup.Start(t.Context()))
		r := record(t, sup)
		time.Sleep(time.Minute)
		require.Equal(t, []string{
			"hung db", "stopping db", "stopped db", "failed db", "stopping api", "restarting db",
			"stopped api", "starting db", "ready db", "starting api", "ready api",
		}, sorted(r.lines(), "restarting db"))
		require.NoError(t, sup.Stop(context.Background()))
	})
}

// sorted moves one line behind the first one that begins with "stopping".
func sorted(lines []string, one string) (all []string) {
	for _, l := range lines {
		if l == one {
			continue
		}
		if all = append(all, l); l == "stopping api" {
			all = append(all, one)
		}
	}
	return all
}

// A failure costs one restart of the intensity, whatever goes with it, and the intensity is
// that of all children together.
func TestGraphIntensityCountsEachFailureOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db, cache := newPuppet(), newPuppet()
		spec := graphOf(
			child.Spec{Name: "db", Run: db.Run},
			child.Spec{Name: "cache", Run: cache.Run},
			child.Spec{Name: "api", Run: idle, Needs: []string{"db", "cache"}},
		)
		spec.Intensity = strategy.AtMost(2, time.Minute)
		sup := newRoot(spec)
		require.NoError(t, sup.Start(t.Context()))
		db.end(errBoom)
		cache.end(errBoom)
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
		require.Equal(t, 2, sup.Tree().Counted)
		st, _ := sup.Lookup("api")
		require.Equal(t, 2, st.Restarts)
		db.end(errBoom)
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, sup.Wait(), &gaveUp)
		require.Equal(t, "/root/db", gaveUp.Child)
	})
}

// A Temporary child that goes with one that it needs is not started again. It is removed at
// once, and each of its events says why nevertheless.
func TestGraphFailureRemovesTemporaryChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		sup, r := recorded(t, graphOf(
			child.Spec{Name: "db", Run: db.Run, Backoff: child.Constant(time.Minute)},
			child.Spec{Name: "job", Run: idle, Restart: child.Temporary, Needs: []string{"db"}},
		))
		r.take()
		db.end(errBoom)
		require.Equal(t, []string{"db"}, names(sup.Children()))
		const why = ": group by /root/db, because failed /db"
		require.Equal(t, []string{
			"failed /db: failed",
			"stopping /job" + why, "stopped /job" + why, "removed /job" + why,
			"restarting /db: failed, because failed /db",
		}, r.reasons())
	})
}

// A task that is done runs again after what it needs has failed, and before those that need the
// task. One that only comes after it does not.
func TestGraphFailureRunsTasksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		task := func(child.Context) error { return nil }
		_, r := recorded(t, graphOf(
			child.Spec{Name: "db", Run: db.Run},
			child.Spec{Name: "migrate", Run: task, Restart: child.Transient, Needs: []string{"db"}},
			child.Spec{Name: "optional", Run: func(child.Context) error { return child.ErrIgnore }, Needs: []string{"db"}},
			child.Spec{Name: "once", Run: task, Restart: child.Transient, After: []string{"db"}},
			child.Spec{Name: "api", Run: idle, Needs: []string{"db", "migrate", "once"}},
		))
		r.take()
		db.end(errBoom)
		var began []string
		for _, e := range r.take() {
			if e.Kind == supervisor.EventStarting {
				began = append(began, e.Path)
			}
		}
		require.Equal(t, []string{"/root/db", "/root/migrate", "/root/optional", "/root/api"}, began)
	})
}

// A child comes after another one in the restart of both, and not when it fails alone.
func TestGraphAfterOrdersRestartsThatAreTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db, api := newPuppet(), newPuppet()
		sup := newRoot(graphOf(
			child.Spec{Name: "api", Run: api.Run, Needs: []string{"db"}, After: []string{"cache"}},
			child.Spec{Name: "cache", Run: slow(time.Minute, 0), Needs: []string{"db"}},
			child.Spec{Name: "db", Run: db.Run},
		))
		require.NoError(t, sup.Start(t.Context()))
		r := record(t, sup, supervisor.EventStopping, supervisor.EventReady)
		began := time.Now()
		db.end(errBoom)
		time.Sleep(time.Hour)
		require.Equal(t, []string{"0s stopping /api", "0s stopping /cache", "0s ready /db", "1m0s ready /cache", "1m0s ready /api"}, r.at(began))
		began = time.Now()
		api.end(errBoom)
		require.Equal(t, []string{"0s ready /api"}, r.at(began))
		require.NoError(t, sup.Stop(context.Background()))
	})
}

// Two thousand children, which are several batches, stop with the one that all of them need,
// and come back.
func TestGraphHubOfTwoThousandFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 2_000
		hub := newPuppet()
		spec := graphOf(child.Spec{Name: "hub", Run: hub.Run})
		for range n {
			spec.Children = append(spec.Children, child.Spec{Name: child.UniqueName("spoke"), Run: idle, Needs: []string{"hub"}})
		}
		sup := start(t, spec)
		hub.end(errBoom)
		require.Equal(t, n+1, sup.Count().Active)
		for _, st := range sup.Children(child.Running)[1:] {
			require.Equal(t, 1, st.Restarts)
		}
	})
}
