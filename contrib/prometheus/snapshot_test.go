package coppiceprom_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppiceprom "github.com/coppice-go/coppice/contrib/prometheus"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

func ready(path string) string { return `coppice_child_ready{path="` + path + `"}` }

func TestReadyIsWhatHealthSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		unready := func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			<-ctx.Done()
			return nil
		}
		task := child.Task(func(context.Context) error { return nil })
		p := newPuppet()
		s := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "idle", Run: idle},
			{Name: "ignored", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "task", Run: task, Restart: child.Transient},
			{Name: "failed", Run: p.Run, Restart: child.Transient, Backoff: child.Constant(time.Hour)},
			{Name: "stopped", Run: idle},
			{Name: "unready", Run: unready},
		}}, coppiceprom.Spec{})
		p.end(errBoom)
		require.NoError(t, s.StopChild(t.Context(), "stopped"))
		got := s.scrape()
		for path, want := range map[string]float64{
			"/shop/idle": 1, "/shop/ignored": 1, "/shop/task": 1, "/shop/failed": 0, "/shop/stopped": 0, "/shop/unready": 0,
		} {
			require.Contains(t, got, ready(path))
			require.Equal(t, want, got[ready(path)], path)
		}
		require.Zero(t, got["coppice_tree_ready"])
		require.EqualValues(t, 2, got[`coppice_children_in_trouble{supervisor="/shop"}`], "failed and unready")

		require.NoError(t, s.StopChild(t.Context(), "failed"))
		require.NoError(t, s.RemoveChild(t.Context(), "failed"))
		require.NoError(t, s.RemoveChild(t.Context(), "stopped"))
		require.NoError(t, s.RemoveChild(t.Context(), "unready"))
		require.EqualValues(t, 1, s.scrape()["coppice_tree_ready"])
	})
}

func TestStatesFollowTheTree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := &supervisortest.Child{ReadyAfter: time.Minute, StopAfter: time.Second}
		s := declare(t, supervisor.Spec{Children: []child.Spec{
			{Name: "slow", Run: slow.Run}, {Name: "api", Run: idle},
		}}, coppiceprom.Spec{})
		want := func(tree, slow, api string, starting float64) {
			t.Helper()
			got := s.scrape()
			require.Equal(t, []string{tree}, got.state("coppice_tree_state", ""))
			if slow == "" {
				require.Empty(t, got.about("coppice_child_state"))
				return
			}
			require.Equal(t, []string{slow}, got.state("coppice_child_state", `path="/shop/slow"`))
			require.Equal(t, []string{api}, got.state("coppice_child_state", `path="/shop/api"`))
			require.Equal(t, starting, got[`coppice_children{state="starting",supervisor="/shop"}`])
		}
		want("stopped", "", "", 0)
		done := make(chan error)
		go func() { done <- s.Start(t.Context()) }()
		synctest.Wait()
		want("starting", "starting", "stopped", 1)
		require.Zero(t, s.scrape()[ready("/shop/api")], "it has not had its turn")
		require.NoError(t, <-done)
		want("running", "running", "running", 0)
		go func() { done <- s.Stop(context.Background()) }()
		synctest.Wait()
		want("stopping", "stopping", "stopped", 0)
		require.NoError(t, <-done)
		got := s.scrape()
		require.Equal(t, []string{"stopped"}, got.state("coppice_tree_state", ""))
		require.Zero(t, got["coppice_tree_ready"])
		require.Zero(t, got[ready("/shop/slow")]+got[ready("/shop/api")], "nothing is ready after the end")
	})
}

func TestAWaitingChildIsWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := newPuppet()
		jobs := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "job", Run: inner.Run}}})
		s := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: p.Run, Backoff: child.Constant(time.Hour)},
			{Name: "jobs", Run: jobs.Run, Backoff: child.Constant(time.Hour)},
		}}, coppiceprom.Spec{})
		p.end(errBoom)
		inner.end(errBoom)
		got := s.scrape()
		require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/db"`))
		require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/jobs"`))
		require.EqualValues(t, 2, got[`coppice_children{state="waiting",supervisor="/shop"}`])
		require.EqualValues(t, 1, got[`coppice_supervisor_gave_up_total{supervisor="/shop/jobs"}`])
		require.EqualValues(t, 1, got[`coppice_child_failures_total{error_type="error",path="/shop/jobs/job"}`], "counters go on while it is down")
		require.NotContains(t, got, `coppice_restart_budget_used_ratio{supervisor="/shop/jobs"}`)
	})
}

// Its error of an hour ago is not why it waits.
func TestAChildThatWaitsForResumeIsNotInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, sibling := newPuppet(), func(ctx child.Context) error {
			ctx.OnError(errBoom)
			return idle(ctx)
		}
		s := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "p", Run: p.Run}, {Name: "sibling", Run: sibling},
		}}, coppiceprom.Spec{})
		time.Sleep(time.Hour)
		s.Suspend(t.Context())
		p.end(errBoom)
		got := s.scrape()
		require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/p"`))
		require.Equal(t, []string{"waiting"}, got.state("coppice_child_state", `path="/shop/sibling"`))
		require.EqualValues(t, 1, got[`coppice_children_in_trouble{supervisor="/shop"}`])
	})
}

func TestAChildThatStartsAgainAfterAFailureIsInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const trouble = `coppice_children_in_trouble{supervisor="/shop"}`
		db := &supervisortest.Child{ReadyAfter: time.Minute, RunFor: time.Hour, EndWith: errBoom}
		s := declare(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: db.Run}}}, coppiceprom.Spec{})
		started := make(chan error)
		go func() { started <- s.Start(t.Context()) }()
		require.Zero(t, s.scrape()[trouble], "its first start")
		require.NoError(t, <-started)
		time.Sleep(time.Hour + time.Second)
		require.EqualValues(t, 1, s.scrape()[trouble])
		time.Sleep(time.Minute)
		require.Zero(t, s.scrape()[trouble])
		go func() { _ = s.RestartChild(t.Context(), "db") }()
		time.Sleep(time.Second)
		require.Equal(t, []string{"starting"}, s.scrape().state("coppice_child_state", `path="/shop/db"`))
		require.Zero(t, s.scrape()[trouble], "it starts by request")
		time.Sleep(time.Minute)
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestDegradedIsMoreThanATenthOfTheDynamicChildren(t *testing.T) {
	const degraded = `coppice_supervisor_degraded{supervisor="/shop/conns"}`
	for name, c := range map[string]struct {
		spec   coppiceprom.Spec
		failed int
		want   float64
	}{
		"a tenth":          {coppiceprom.Spec{}, 2, 0},
		"more":             {coppiceprom.Spec{}, 3, 1},
		"more is allowed":  {coppiceprom.Spec{DegradedAbove: 0.5}, 10, 0},
		"more than that":   {coppiceprom.Spec{DegradedAbove: 0.5}, 11, 1},
		"negative is zero": {coppiceprom.Spec{DegradedAbove: -1}, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				conns := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Constant(time.Hour)})
				s := start(t, supervisor.Spec{Children: []child.Spec{{Name: "conns", Run: conns.Run}}}, c.spec)
				require.Zero(t, s.scrape()[degraded], "there are none")
				for range 20 {
					require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: child.UniqueName("c"), Run: idle}))
				}
				fail := make(chan struct{})
				for _, kid := range conns.Children()[:c.failed] {
					require.NoError(t, conns.RemoveChild(t.Context(), kid.Name))
					require.NoError(t, conns.StartChild(t.Context(), child.Spec{Name: kid.Name, Run: child.Plain(func(ctx context.Context) error {
						select {
						case <-fail:
							return errBoom
						case <-ctx.Done():
							return nil
						}
					})}))
				}
				close(fail)
				got := s.scrape()
				require.Equal(t, c.want, got[degraded])
				require.EqualValues(t, c.failed, got[`coppice_children_in_trouble{supervisor="/shop/conns"}`])
				require.EqualValues(t, c.failed, got[`coppice_children{state="waiting",supervisor="/shop/conns"}`])
				require.EqualValues(t, 20-c.failed, got[`coppice_children{state="running",supervisor="/shop/conns"}`])
				require.EqualValues(t, c.failed, got[`coppice_child_restarts_total{path="/shop/conns/*"}`])
				require.Zero(t, got[`coppice_supervisor_degraded{supervisor="/shop"}`])
			})
		})
	}
}

func TestBudgetUsedIsTheShareOfTheIntensity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const used = `coppice_restart_budget_used_ratio{supervisor="/shop"}`
		p := newPuppet()
		free := supervisor.New(supervisor.Spec{Intensity: strategy.Unlimited()})
		none := supervisor.New(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)})
		s := start(t, supervisor.Spec{Intensity: strategy.AtMost(4, time.Minute), Children: []child.Spec{
			{Name: "db", Run: p.Run}, {Name: "free", Run: free.Run}, {Name: "none", Run: none.Run},
		}}, coppiceprom.Spec{})
		require.EqualValues(t, 0, s.scrape()[used])
		for i := range 4 {
			p.end(errBoom)
			require.Equal(t, float64(i+1)/4, s.scrape()[used])
		}
		require.Len(t, s.scrape().about("budget"), 1)
		time.Sleep(2 * time.Minute)
		require.Zero(t, s.scrape()[used])
	})
}

func TestSuspendedAndDrainingShow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{})
		s := start(t, supervisor.Spec{Drain: time.Minute, Children: []child.Spec{{Name: "inner", Run: inner.Run}}}, coppiceprom.Spec{})
		inner.Suspend(t.Context())
		got := s.scrape()
		require.EqualValues(t, 1, got[`coppice_supervisor_suspended{supervisor="/shop/inner"}`])
		require.Zero(t, got[`coppice_supervisor_suspended{supervisor="/shop"}`])
		inner.Resume(t.Context())
		s.Suspend(t.Context())
		got = s.scrape()
		require.Zero(t, got[`coppice_supervisor_suspended{supervisor="/shop/inner"}`])
		require.EqualValues(t, 1, got[`coppice_supervisor_suspended{supervisor="/shop"}`])
		s.Resume(t.Context())

		require.Zero(t, got["coppice_tree_draining"])
		stopped := make(chan error)
		go func() { stopped <- s.Stop(context.Background()) }()
		got = s.scrape()
		require.EqualValues(t, 1, got["coppice_tree_draining"])
		require.Zero(t, got["coppice_tree_ready"])
		require.Equal(t, []string{"running"}, got.state("coppice_tree_state", ""))
		require.NoError(t, <-stopped)
		require.Zero(t, s.scrape()["coppice_tree_draining"])
	})
}
