package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// inARow returns a spec of db, api, which needs it, and edge, which needs that.
func inARow() supervisor.Spec {
	return graphOf(
		child.Spec{Name: "db", Run: idle},
		child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
		child.Spec{Name: "edge", Run: idle, Needs: []string{"api"}},
	)
}

// StopChild stops those that need the child first. They stay down, and the log and the events
// say so, until somebody starts one of them: what it needs is started first.
func TestGraphStopChildTakesThoseThatNeedItDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		spec := inARow()
		spec.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		sup, r := recorded(t, spec)
		r.take()
		require.NoError(t, sup.StopChild(byAlice(t), "db"))
		require.Equal(t, []string{"stopped", "stopped", "stopped"}, states(sup))
		const with, by = ": group by /root/db, because request /db", ": stop-child by alice, because request /db"
		require.Equal(t, []string{
			"request /db: stop-child by alice",
			"stopping /edge" + with, "stopped /edge" + with, "stopped /edge" + with,
			"stopping /api" + with, "stopped /api" + with, "stopped /api" + with,
			"stopping /db" + by, "stopped /db" + by,
		}, r.reasons())
		require.Contains(t, log.String(), "left stopped: a child that it needs was stopped")
		require.Contains(t, log.String(), "/root/edge")

		require.NoError(t, sup.RestartChild(t.Context(), "api"))
		require.Equal(t, []string{"running", "running", "stopped"}, states(sup))
		require.NoError(t, sup.RestartChild(t.Context(), "edge"))
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
	})
}

// A failure starts no child that somebody has stopped.
func TestGraphFailureStartsNoChildThatWasStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		spec := inARow()
		spec.Children[0].Run = db.Run
		sup := start(t, spec)
		require.NoError(t, sup.StopChild(t.Context(), "api"))
		db.end(errBoom)
		require.Equal(t, []string{"running", "stopped", "stopped"}, states(sup))
	})
}

// RestartChild of a child that runs restarts those that need it. For the one that was named it
// does not count as a restart.
func TestGraphRestartChildTakesThoseThatNeedItAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, inARow())
		r := record(t, sup)
		require.NoError(t, sup.RestartChild(t.Context(), "api"))
		synctest.Wait()
		require.Equal(t, []string{
			"stopping edge", "stopped edge", "stopping api", "stopped api",
			"starting api", "ready api", "starting edge", "ready edge",
		}, r.lines())
		st, _ := sup.Lookup("api")
		require.Zero(t, st.Restarts)
	})
}

// A Temporary child may need others. RestartChild does not lose it.
func TestGraphRestartChildOfATemporaryChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := inARow()
		spec.Children[2].Restart = child.Temporary
		sup := start(t, spec)
		require.NoError(t, sup.RestartChild(t.Context(), "edge"))
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
	})
}

// When what a child needs cannot be started, the caller gets the error of that.
func TestGraphRestartChildWhoseNeedCannotStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := &supervisortest.Child{}
		fails := false
		spec := inARow()
		spec.Children[0].Run = func(ctx child.Context) error {
			if fails {
				return errBoom
			}
			return db.Run(ctx)
		}
		sup := start(t, spec)
		require.NoError(t, sup.StopChild(t.Context(), "db"))
		fails = true
		err := sup.RestartChild(t.Context(), "edge")
		require.EqualError(t, err, "/root/edge: needs db: boom")
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{"stopped", "stopped", "stopped"}, states(sup))
		fails = false
		require.NoError(t, sup.RestartChild(t.Context(), "edge"))
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
	})
}

// When what a child needs is stopped by somebody else meanwhile, the caller is told which it was.
func TestGraphRestartChildWhoseNeedIsStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := inARow()
		spec.Children[0].Run = slow(time.Second, 0)
		spec.Children[2].Run = slow(time.Minute, 0)
		sup := start(t, spec)
		for _, waits := range []time.Duration{0, 2 * time.Second} { // for db, and then for its own start
			require.NoError(t, sup.StopChild(t.Context(), "db"))
			answer := make(chan error)
			go func() { answer <- sup.RestartChild(t.Context(), "edge") }()
			time.Sleep(waits)
			synctest.Wait()
			require.NoError(t, sup.StopChild(t.Context(), "db"))
			err := <-answer
			require.EqualError(t, err, "/root/edge: needs db: stopped")
			require.ErrorIs(t, err, child.ErrStopped)
		}
	})
}

// A child that has to stop and becomes ready before it is its turn still says why it stops, and
// the caller that waits for its start is told.
func TestGraphChildThatIsReadyBeforeItHasToStopSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, graphOf(
			child.Spec{Name: "db", Run: idle},
			child.Spec{Name: "api", Run: slow(time.Second, 0), Needs: []string{"db"}},
			child.Spec{Name: "report", Run: slow(0, 3*time.Second), Needs: []string{"db"}, After: []string{"api"}},
		))
		require.NoError(t, sup.StopChild(t.Context(), "api"))
		answer := make(chan error)
		go func() { answer <- sup.RestartChild(t.Context(), "api") }()
		synctest.Wait()
		r.take()
		require.NoError(t, sup.StopChild(t.Context(), "db"))
		require.NoError(t, <-answer, "it was ready")
		const why = ": group by /root/db"
		require.Equal(t, []string{
			"stopping /report" + why, "ready /api: restart-child",
			"stopped /report" + why, "stopped /report" + why,
			"stopping /api" + why, "stopped /api" + why, "stopped /api" + why,
			"stopping /db: stop-child", "stopped /db: stop-child",
		}, r.reasons())
	})
}

// A child that another one needs is not removed, also if both are named: the others go first.
func TestGraphRemoveChildOfANeededChildIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, inARow())
		err := sup.RemoveChild(t.Context(), "db")
		require.EqualError(t, err, "/root/db: needed by another child: remove api first")
		require.ErrorIs(t, err, supervisor.ErrNeeded)
		require.ErrorIs(t, sup.RemoveChild(t.Context(), "db", "api", "edge"), supervisor.ErrNeeded)
		require.Equal(t, []string{"db", "api"}, names(sup.Children()), "edge had no children that need it")
		require.NoError(t, sup.RemoveChild(t.Context(), "api", "db"))
		require.Empty(t, sup.Children())
	})
}

// StartChild adds children in the order of what they need. It returns when all are ready, and
// those that do not need each other start side by side.
func TestGraphStartChildWithEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(child.Spec{Name: "db", Run: idle}))
		began := time.Now()
		require.NoError(t, sup.StartChild(t.Context(),
			child.Spec{Name: "edge", Run: slow(time.Second, 0), Needs: []string{"api", "auth"}},
			child.Spec{Name: "api", Run: slow(2*time.Second, 0), Needs: []string{"db"}},
			child.Spec{Name: "auth", Run: slow(3*time.Second, 0), Needs: []string{"db"}, After: []string{"nobody"}},
		))
		require.Equal(t, 4*time.Second, time.Since(began))
		require.Equal(t, []string{"db", "api", "auth", "edge"}, names(sup.Children(child.Running)))
	})
}

// If one of the children of a call does not start, none of them stays, also if they need each
// other.
func TestGraphStartChildThatFailsKeepsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(child.Spec{Name: "db", Run: idle}))
		specs := []child.Spec{
			{Name: "a", Run: slow(0, time.Second), Needs: []string{"db"}},
			{Name: "b", Run: slow(0, time.Second), Needs: []string{"a"}},
			{Name: "c", Run: func(child.Context) error { return errBoom }, Needs: []string{"b"}},
		}
		require.EqualError(t, sup.StartChild(t.Context(), specs...), "/root/c: boom")
		require.Equal(t, []string{"db"}, names(sup.Children()))

		specs[2].Run = slow(time.Hour, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, sup.StartChild(ctx, specs...), context.DeadlineExceeded)
		require.Equal(t, []string{"db"}, names(sup.Children()))
	})
}

// A child that is not ready may add children, but none that wait for it.
func TestGraphStartChildFromAChildThatItWouldWaitFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var errs []error
		sup := start(t, graphOf(
			child.Spec{Name: "db", Run: func(ctx child.Context) error {
				sup, _ := supervisor.FromContext(ctx)
				errs = append(errs,
					sup.StartChild(ctx, child.Spec{Name: "a", Run: idle, Needs: []string{"db"}}),
					sup.StartChild(ctx, child.Spec{Name: "b", Run: idle, Needs: []string{"api"}}),
					sup.RestartChild(ctx, "api"),
					sup.StartChild(ctx, child.Spec{Name: "c", Run: idle}),
				)
				return idle(ctx)
			}},
			child.Spec{Name: "api", Run: idle, Needs: []string{"db"}},
		))
		for _, err := range errs[:3] {
			require.ErrorIs(t, err, child.ErrNotReady)
		}
		require.NoError(t, errs[3])
		require.Equal(t, []string{"db", "api", "c"}, names(sup.Children()))
	})
}

// What StartChild refuses, and that nothing of it stays.
func TestGraphStartChildRefusesEdgesThatDoNotFit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(
			child.Spec{Name: "db", Run: slow(0, time.Minute)},
			child.Spec{Name: "api", Run: idle, After: []string{"cache"}},
			child.Spec{Name: "cache", Run: idle},
			child.Spec{Name: "job", Run: idle, Restart: child.Temporary},
		))
		require.NoError(t, sup.RemoveChild(t.Context(), "cache"))
		add := func(name string, needs, after []string) error {
			return sup.StartChild(t.Context(), child.Spec{Name: name, Run: idle, Needs: needs, After: after})
		}
		for want, err := range map[string]error{
			`/root/x: Needs: no such child: "nobody"`: add("x", []string{"nobody"}, nil),
			`/root/x: Needs: "job" is temporary, and is removed when it ends: name it in After, or make it transient`: add("x", []string{"job"}, nil),
			`/root/x: Needs: itself`:        add("x", []string{"x"}, nil),
			`/root/x: After: an empty name`: add("x", nil, []string{""}),
			`/root/cache: Needs: cycle: "api" comes after "cache" itself, directly or through others`: add("cache", []string{"api"}, nil),
		} {
			require.EqualError(t, err, want)
			var fault *child.SpecError
			require.True(t, errors.As(err, &fault))
		}
		go func() { _ = sup.RemoveChild(context.Background(), "db") }()
		synctest.Wait()
		require.EqualError(t, add("x", []string{"db"}, nil), `/root/x: Needs: "db" is being removed`)
		require.NoError(t, add("cache", nil, nil), "api comes after it again")
		require.Equal(t, []string{"db", "api", "job", "cache"}, names(sup.Children()))
		slowly := make(chan error)
		go func() {
			slowly <- sup.StartChild(context.Background(), child.Spec{Name: "slow", Run: slow(time.Minute, 0)})
		}()
		synctest.Wait()
		require.EqualError(t, add("x", []string{"slow"}, nil), `/root/x: Needs: "slow" is being added and was never ready: wait for that`)
		require.NoError(t, <-slowly)
		require.NoError(t, add("x", []string{"slow"}, nil))
	})
}

// A stop that was requested while those that need the child stop takes their time too, and a
// start alarm of one that waits for its turn does not change what follows.
func TestGraphStopChildWaitsForThoseThatNeedIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(
			child.Spec{Name: "db", Run: idle},
			child.Spec{Name: "api", Run: slow(0, 3*time.Second), Needs: []string{"db"}},
		))
		began := time.Now()
		require.NoError(t, sup.StopChild(t.Context(), "db"))
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, []string{"stopped", "stopped"}, states(sup))
	})
}

// Suspended, those that need a child that failed stop, and start after Resume.
func TestGraphSuspended(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		spec := inARow()
		spec.Children[0].Run = db.Run
		sup := start(t, spec)
		sup.Suspend(t.Context())
		db.end(errBoom)
		require.Equal(t, []string{"waiting", "waiting", "waiting"}, states(sup))
		require.ErrorIs(t, sup.RestartChild(t.Context(), "api"), supervisor.ErrSuspended)
		sup.Resume(t.Context())
		synctest.Wait()
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
	})
}

// Upgrade changes edges of a supervisor that runs. What runs above a new child that is not
// started runs on.
func TestGraphUpgradeChangesEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		db := newPuppet()
		spec := inARow()
		spec.Children[0].Run = db.Run
		sup := start(t, spec)
		next := graphOf(
			child.Spec{Name: "cache", Run: idle},
			child.Spec{Name: "db", Run: db.Run},
			child.Spec{Name: "api", Run: idle, Needs: []string{"cache"}},
			child.Spec{Name: "edge", Run: idle, Needs: []string{"db"}},
		)
		require.NoError(t, sup.Upgrade(next))
		require.Equal(t, []string{"stopped", "running", "running", "running"}, states(sup))
		r := record(t, sup, supervisor.EventStarting)
		db.end(errBoom)
		require.Equal(t, []string{"starting db", "starting edge"}, r.lines())
		require.NoError(t, sup.RestartChild(t.Context(), "cache"))
		synctest.Wait()
		require.Equal(t, []string{"starting cache", "starting api"}, r.lines())
		require.Equal(t, []string{"running", "running", "running", "running"}, states(sup))

		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "x", Run: idle, Needs: []string{"db"}}))
		next.Children[1].Restart = child.Temporary
		next.Children[3].Needs = nil
		require.EqualError(t, sup.Upgrade(next), `/root/x: Needs: "db" is temporary, and is removed when it ends: name it in After, or make it transient`)
		next.Children[1].Restart, next.Children[1].After = child.Permanent, []string{"x"}
		require.ErrorContains(t, sup.Upgrade(next), "no such child", "x is not in the spec")
	})
}

// The names in a spec are copied.
func TestGraphCopiesTheNamesOfASpec(t *testing.T) {
	bubble(t, func(t *testing.T) {
		needs := []string{"db"}
		spec := graphOf(child.Spec{Name: "db", Run: idle}, child.Spec{Name: "api", Run: idle, Needs: needs})
		sup := newRoot(spec)
		needs[0] = "x"
		require.NoError(t, sup.Start(t.Context()))
		needs[0] = "api"
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "edge", Run: idle, Needs: needs}))
		needs[0] = "x"
		for _, name := range []string{"api", "edge"} {
			of, _ := sup.LookupSpec(name)
			of.Needs[0] = "y"
		}
		sup.Spec().Children[1].Needs[0] = "z"
		of, _ := sup.LookupSpec("edge")
		require.Equal(t, []string{"api"}, of.Needs)
		require.Equal(t, []string{"db"}, sup.Spec().Children[1].Needs)
		require.NoError(t, sup.Stop(context.Background()))
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.Stop(context.Background()))
	})
}

// A start that did not happen is no reason of a later one.
func TestGraphEventsOfALaterStartNameTheLaterRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fails := false
		spec := inARow()
		spec.Children[0].Run = func(ctx child.Context) error {
			if fails {
				return errBoom
			}
			return idle(ctx)
		}
		sup, r := recorded(t, spec)
		require.NoError(t, sup.StopChild(t.Context(), "db"))
		fails = true
		require.Error(t, sup.RestartChild(byAlice(t), "api"))
		fails = false
		r.take()
		require.NoError(t, sup.RestartChild(t.Context(), "edge"))
		for _, e := range r.take() {
			require.NotEqual(t, "alice", e.By, "%v", e)
		}
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
	})
}
