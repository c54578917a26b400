package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// linked returns specs of idle children, from "name version needs" each, such as "api 1 db,cache".
func linked(all ...string) (specs []child.Spec) {
	for _, one := range all {
		fields := strings.Fields(one)
		spec := child.Spec{Name: fields[0], Version: fields[1], Run: idle}
		if len(fields) > 2 {
			spec.Needs = strings.Split(fields[2], ",")
		}
		specs = append(specs, spec)
	}
	return specs
}

// runOf returns the number of the latest run of a child.
func runOf(t *testing.T, sup *supervisor.Supervisor, name string) uint64 {
	t.Helper()
	st, ok := sup.Lookup(name)
	require.True(t, ok)
	return st.Run
}

func applied(t *testing.T, sup *supervisor.Supervisor, want ...child.Spec) supervisor.Changes {
	t.Helper()
	plan, err := sup.Plan(desires(sup, want...))
	require.NoError(t, err)
	changes, err := sup.Apply(t.Context(), desires(sup, want...))
	require.NoError(t, err)
	require.Equal(t, plan, changes)
	again, err := sup.Apply(t.Context(), desires(sup, want...))
	require.NoError(t, err)
	require.True(t, again.Empty(), "%v", again)
	return changes
}

func TestApplyRestartsThoseThatNeedAReplacedChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("db 1", "api 1 db", "edge 1 api", "admin 1 db", "other 1")...))
		require.NoError(t, sup.StopChild(t.Context(), "admin"))
		r := record(t, sup)
		changes := applied(t, sup, linked("db 2", "api 1 db", "edge 1 api", "admin 1 db", "other 1")...)
		require.Equal(t, "~ db   along: api, edge   = 4 unchanged", changes.String())
		synctest.Wait()
		lines := slices.DeleteFunc(r.lines(), func(line string) bool { return line == "applied" }) // it does not wait for the others
		require.Equal(t, []string{
			"applying", "stopping edge", "stopped edge", "stopping api", "stopped api", "stopping db", "stopped db",
			"starting db", "ready db", "starting api", "ready api", "starting edge", "ready edge",
		}, lines)
		require.Equal(t, child.Stopped, state(t, sup, "admin"), "it was stopped by hand")
	})
}

func TestEventsOfAnApplyUnderGraphSayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, r := recorded(t, graphOf(linked("db 1", "api 1 db")...))
		r.take()
		_, err := sup.Apply(byAlice(t), desires(sup, linked("db 2", "api 1 db")...))
		require.NoError(t, err)
		synctest.Wait()
		for _, e := range r.take() {
			switch e.Path {
			case "/root/db":
				require.Equal(t, supervisor.ReasonApply, e.Reason, "%v", e)
			case "/root/api":
				require.Equal(t, supervisor.ReasonGroup, e.Reason, "%v", e)
				require.Equal(t, "/root/db", e.By, "%v", e)
			}
		}
	})
}

// Where all of a row differ, each child stops once and starts once.
func TestApplyReplacesARowInOnePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("edge 1 api", "api 1 db", "db 1")...))
		r := record(t, sup)
		changes := applied(t, sup, linked("edge 2 api", "api 2 db", "db 2")...)
		require.Equal(t, "~ edge, api, db   = 0 unchanged", changes.String())
		require.Equal(t, []string{
			"applying", "stopping edge", "stopped edge", "stopping api", "stopped api", "stopping db", "stopped db",
			"starting db", "ready db", "starting api", "ready api", "starting edge", "ready edge", "applied",
		}, r.lines())
	})
}

// What is needed is added before what needs it, and removed after it.
func TestApplyMovesChildrenToAnotherNeed(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		bubble(t, func(t *testing.T) {
			spec := graphOf(linked("old 1", "below 1", "api 1 old", "job 1 old")...)
			spec.Children[0].Needs = []string{"below"}
			spec.MaxChildren = 4
			sup := start(t, spec)
			before := runOf(t, sup, "api")
			r := record(t, sup)
			want := linked("api "+version+" new", "new 1")
			changes := applied(t, sup, want...)
			if version == "1" {
				require.Equal(t, "+ new   * api   - job, old, below   = 0 unchanged", changes.String())
				require.Equal(t, before, runOf(t, sup, "api"), "it runs on")
				require.Equal(t, []string{
					"applying", "stopping job", "stopped job", "removed job", "starting new", "ready new",
					"stopping old", "stopped old", "removed old", "stopping below", "stopped below", "removed below", "applied",
				}, r.lines())
			} else {
				require.Equal(t, "+ new   ~ api   - job, old, below   = 0 unchanged", changes.String())
				require.Equal(t, []string{
					"applying", "stopping job", "stopped job", "removed job", "starting new", "ready new",
					"stopping api", "stopped api", "starting api", "ready api",
					"stopping old", "stopped old", "removed old", "stopping below", "stopped below", "removed below", "applied",
				}, r.lines())
			}
			require.NoError(t, sup.StopChild(t.Context(), "new"))
			require.Equal(t, child.Stopped, state(t, sup, "api"), "it needs the new one")
		})
	}
}

// An edge may change its direction: there is no cycle in between.
func TestApplyTurnsEdgesRound(t *testing.T) {
	for _, versions := range []string{"1 1", "1 2", "2 1", "2 2"} {
		bubble(t, func(t *testing.T) {
			a, b, _ := strings.Cut(versions, " ")
			sup := start(t, graphOf(linked("a 1", "b 1 a")...))
			applied(t, sup, linked("a "+a+" b", "b "+b)...)
			synctest.Wait()
			require.Equal(t, []string{"running", "running"}, states(sup))
			require.NoError(t, sup.StopChild(t.Context(), "a"))
			require.Equal(t, child.Running, state(t, sup, "b"))
			require.NoError(t, sup.StopChild(t.Context(), "b"))
			applied(t, sup, linked("a "+a, "b "+b+" a")...)
		})
	}
}

// A child that does not become ready keeps its new edges, and nothing that it needed before is
// removed.
func TestApplyUnderGraphGivesAnOldSpecBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("old 1", "api 1 old", "edge 1 api")...))
		want := desires(sup, linked("new 1", "api 2 new", "edge 1 api")...)
		want.Children[1].Run = failing
		changes, err := sup.Apply(t.Context(), want)
		require.EqualError(t, err, "/root/api: not ready with its new spec: boom; it runs with its old one again")
		require.Equal(t, "+ new   along: edge   = 3 unchanged", changes.String())
		synctest.Wait()
		require.Equal(t, []string{"old 1", "api 1", "edge 1", "new 1"}, declares(sup))
		require.Equal(t, []string{"running", "running", "running", "running"}, states(sup))
		require.NoError(t, sup.Health())
		api, _ := sup.LookupSpec("api")
		require.Equal(t, []string{"new"}, api.Needs)
		declared := sup.Spec()
		require.NoError(t, declared.Validate())
		require.Equal(t, []string{"new"}, declared.Children[1].Needs)
		require.NoError(t, sup.RestartChild(t.Context(), "api"))
	})
}

// If a child that others need cannot be added, these are as they were.
func TestApplyThatCannotAddANeedLeavesOthersAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("old 1", "api 1 old")...))
		before := runOf(t, sup, "api")
		want := desires(sup, linked("api 2 new", "new 1")...)
		want.Children[1].Run = failing
		changes, err := sup.Apply(t.Context(), want)
		require.EqualError(t, err, "/root/new: boom")
		require.Equal(t, "= 2 unchanged", changes.String())
		require.Equal(t, before, runOf(t, sup, "api"))
		require.Equal(t, []string{"old 1", "api 1"}, declares(sup))
	})
}

// A task that is done is as good as running. If its replacement fails, it is done again, and
// those that need it run again.
func TestApplyOfATaskThatIsNeeded(t *testing.T) {
	for problem, run := range map[string]func(child.Context) error{
		"boom":                      failing,
		"context deadline exceeded": func(ctx child.Context) error { <-ctx.Done(); return nil },
	} {
		bubble(t, func(t *testing.T) {
			runs := 0
			spec := graphOf(linked("migrate 1", "api 1 migrate")...)
			spec.Children[0].Restart = child.Transient
			spec.Children[0].Run = child.Task(func(context.Context) error { runs++; return nil })
			sup := start(t, spec)
			synctest.Wait() // a task is ready before it is done
			want := desires(sup, linked("migrate 2", "api 1 migrate")...)
			want.Children[0].Restart, want.Children[0].Run = child.Transient, run
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := sup.Apply(ctx, want)
			require.ErrorContains(t, err, problem)
			synctest.Wait()
			require.Equal(t, []string{"done", "running"}, states(sup))
			require.Equal(t, 1, runs, "the old task does not run again")
			require.NoError(t, sup.Health())
		})
	}
}

// If ctx ends, the old specs come back, and those that were restarted along run again.
func TestApplyUnderGraphWhoseContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("db 1", "api 1 db", "edge 1 api")...))
		want := desires(sup, linked("db 2", "api 2 db", "edge 1 api")...)
		want.Children[0].Run = func(ctx child.Context) error { <-ctx.Done(); return nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		changes, err := sup.Apply(ctx, want)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, "along: edge   = 3 unchanged", changes.String())
		synctest.Wait()
		require.Equal(t, []string{"db 1", "api 1", "edge 1"}, declares(sup))
		require.Equal(t, []string{"running", "running", "running"}, states(sup))
		for _, name := range []string{"db", "api"} {
			spec, _ := sup.LookupSpec(name)
			require.Equal(t, "1", spec.Version, name)
		}
	})
}

func TestApplyUnderGraphRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, graphOf(linked("db 1", "api 1 db")...))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "mine", Run: idle, Needs: []string{"db"}}))
		temporary := linked("db 2", "api 1")
		temporary[0].Restart = child.Temporary
		independent := desires(sup, versions("db 1", "api 1")...)
		independent.Strategy = strategy.Independent
		r := record(t, sup, everyKind()...)
		for problem, want := range map[string]supervisor.Spec{
			`/root/db: needed by another child: remove mine first`:                                                              desires(sup, linked("api 1")...),
			`/root/db: Restart: "api" needs it until this Apply has ended: take that need away first, with an Apply of its own`: desires(sup, temporary...),
			`/root: a running supervisor cannot change its strategy from or to independent or graph`:                            independent,
			`/root/db: Needs: cycle: db -> api -> db`:                                                                           desires(sup, linked("db 2 api", "api 1 db")...),
			`/root/api: Needs: no such child: "gone"`:                                                                           desires(sup, linked("db 1", "api 1 gone")...),
		} {
			_, err := sup.Apply(t.Context(), want)
			require.EqualError(t, err, problem)
			_, err = sup.Plan(want)
			require.EqualError(t, err, problem)
		}
		require.Empty(t, r.take())
	})
}

// A child that would be restarted along would wait for itself.
func TestApplyFromAChildThatWouldBeRestartedAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		answer := make(chan error, 1)
		spec := graphOf(linked("db 1", "api 1 db", "edge 1 api")...)
		var sup *supervisor.Supervisor
		again := make(chan struct{})
		spec.Children[2].Run = func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			select {
			case <-again:
				_, err := sup.Apply(ctx, desires(sup, linked("db 2", "api 1 db", "edge 1 api")...))
				answer <- err
			case <-ctx.Done():
			}
			<-ctx.Done()
			return nil
		}
		sup = start(t, spec)
		close(again)
		require.EqualError(t, <-answer, "/root: called from /root/edge, which it would have to stop: call Apply from a child of another supervisor")
	})
}

// The time of an Apply grows with the number of children and edges, not faster.
func TestApplyToManyChildrenWithEdges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 3000
		row := func(version string) (specs []child.Spec) {
			for i := range n {
				one := fmt.Sprintf("c%d %s", i, version)
				if i > 0 {
					one += fmt.Sprintf(" c%d", i-1)
				}
				specs = append(specs, linked(one)...)
			}
			return specs
		}
		sup := start(t, graphOf(row("1")...))
		changes, err := sup.Apply(t.Context(), desires(sup, row("2")...))
		require.NoError(t, err)
		require.Len(t, changes.Replaced, n)
		require.NoError(t, errors.Join(err, sup.Health()))
	})
}
