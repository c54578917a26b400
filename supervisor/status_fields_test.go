package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// lookup returns the status of a child that there is.
func lookup(t *testing.T, sup *supervisor.Supervisor, path string) child.Status {
	t.Helper()
	synctest.Wait()
	st, ok := sup.Lookup(path)
	require.True(t, ok, "no child %s", path)
	return st
}

// names returns the names of children, in the order they are given.
func names(all []child.Status) []string {
	names := []string{}
	for _, st := range all {
		names = append(names, st.Name)
	}
	return names
}

// never is a Run that is not ready before it is stopped.
func never(ctx child.Context) error {
	<-ctx.Done()
	return nil
}

var idle = testkit.Idle

func TestStatusShowsEachFieldOfAChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		p := newPuppet()
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{
			Name: "db", Run: p.Run, Restart: child.Transient, Backoff: child.Constant(3 * time.Second),
		}}})
		time.Sleep(time.Second)
		require.Equal(t, child.Status{
			Name: "db", Path: "/shop/db", State: child.Running, Since: began, Restart: child.Transient, Run: 1,
		}, lookup(t, sup, "db"))

		p.end(errBoom)
		require.Equal(t, child.Status{
			Name: "db", Path: "/shop/db", State: child.Waiting, Since: began.Add(time.Second),
			LastError: errBoom, LastErrorAt: began.Add(time.Second), NextStart: began.Add(4 * time.Second), Restart: child.Transient, Run: 1, Failing: true,
		}, lookup(t, sup, "db"))

		time.Sleep(3 * time.Second)
		require.Equal(t, child.Status{
			Name: "db", Path: "/shop/db", State: child.Running, Since: began.Add(4 * time.Second),
			Restarts: 1, LastError: errBoom, LastErrorAt: began.Add(time.Second), Restart: child.Transient, Run: 2,
		}, lookup(t, sup, "db"))

		p.end(nil)
		require.Equal(t, child.Status{
			Name: "db", Path: "/shop/db", State: child.Done, Since: began.Add(4 * time.Second),
			Restarts: 1, LastError: errBoom, LastErrorAt: began.Add(time.Second), Restart: child.Transient, Run: 2,
		}, lookup(t, sup, "db"))
	})
}

func TestStatusShowsUnreadyUntilReadyOrTheEndOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctxs := make(chan child.Context, 2)
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "db", Run: func(ctx child.Context) error {
			ctxs <- ctx
			return p.Run(ctx)
		}}}})
		ctx := <-ctxs
		synctest.Wait()
		away := errors.New("away")
		ctx.Unready(away)
		require.Equal(t, away, lookup(t, sup, "db").Unready)
		require.Equal(t, child.Running, lookup(t, sup, "db").State)
		require.NoError(t, ctx.Ready())
		require.NoError(t, lookup(t, sup, "db").Unready)

		ctx.Unready(nil)
		require.Equal(t, child.ErrNotReady, lookup(t, sup, "db").Unready)
		p.end(errBoom)
		<-ctxs
		require.NoError(t, lookup(t, sup, "db").Unready, "the new run never said so")
		ctx.Unready(away)
		require.NoError(t, lookup(t, sup, "db").Unready, "the old run has no say")
	})
}

func TestStatusShowsWhatOnErrorReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			ctx.OnError(nil)
			ctx.OnError(errBoom)
			return idle(ctx)
		}}}})
		st := lookup(t, sup, "a")
		require.Equal(t, errBoom, st.LastError)
		require.Equal(t, child.Running, st.State)
	})
}

func TestStatusCountsAbandonedRunsUntilTheyReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: deaf.Run, StopTimeout: time.Second},
		}})
		for want := 1; want <= 2; want++ {
			require.Len(t, left(t, sup.RestartChild(t.Context(), "a")), 1)
			require.Equal(t, want, lookup(t, sup, "a").Abandoned)
		}
		require.Zero(t, lookup(t, sup, "a").Restarts, "restarts by hand do not count")
		deaf.Release()
		synctest.Wait()
		require.Zero(t, lookup(t, sup, "a").Abandoned)
	})
}

func TestStatusKeepsThatASupervisorRanInIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "jobs", Run: jobs.Run}, {Name: "other", Run: idle},
		}})
		require.True(t, lookup(t, sup, "jobs").Supervisor)
		require.False(t, lookup(t, sup, "other").Supervisor)
		require.NoError(t, sup.StopChild(t.Context(), "jobs"))
		require.True(t, lookup(t, sup, "jobs").Supervisor, "stopped, but a supervisor all the same")
		require.Equal(t, supervisor.Counts{Specs: 2, Active: 1, Supervisors: 1, Workers: 1}, sup.Count())
	})
}

func TestStatusAsJSON(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "db", Run: p.Run, Backoff: child.Constant(3 * time.Second)},
		}})
		p.end(errBoom)
		text, err := json.Marshal(lookup(t, sup, "db"))
		require.NoError(t, err)
		require.Equal(t, `{"name":"db","path":"/shop/db","state":"waiting","since":"2000-01-01T00:00:00Z",`+
			`"restarts":0,"last_error":"boom","last_error_at":"2000-01-01T00:00:00Z","next_start":"2000-01-01T00:00:03Z","restart":"permanent","run":1,"failing":true}`, string(text))
	})
}

// A typed nil in an error is a common slip. Its Error method panics.
type slip struct{ text string }

func (s *slip) Error() string { return s.text }

func TestStatusWithAnErrorThatPanicsHasJSONAndText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			var none *slip
			ctx.OnError(none)
			return idle(ctx)
		}}}})
		text, err := json.Marshal(lookup(t, sup, "a"))
		require.NoError(t, err)
		require.Contains(t, string(text), `"last_error":"\u003cnil\u003e"`)
		require.Contains(t, sup.Tree().String(), "last: <nil>")
	})
}

func TestChildrenAreInStartOrderAndFilteredByState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, deaf := newPuppet(), &supervisortest.Child{StopAfter: child.Forever}
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "done", Run: child.Task(noWork)},
			{Name: "waiting", Run: p.Run, Backoff: child.Constant(time.Hour)},
			{Name: "stopped", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "stopping", Run: deaf.Run, StopTimeout: child.Forever},
			{Name: "running", Run: idle},
		}})
		require.Empty(t, sup.Children(), "before the start there are none")
		require.NoError(t, sup.Start(t.Context()))
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "added", Run: idle}))
		p.end(errBoom)
		go func() { _ = sup.StartChild(t.Context(), child.Spec{Name: "starting", Run: never}) }()
		go func() { _ = sup.StopChild(t.Context(), "stopping") }()
		synctest.Wait()

		require.Equal(t, []string{"done", "waiting", "stopped", "stopping", "running", "added", "starting"}, names(sup.Children()))
		for _, state := range []child.State{child.Stopped, child.Starting, child.Stopping, child.Waiting, child.Done} {
			require.Equal(t, []string{state.String()}, names(sup.Children(state)), "%v", state)
		}
		require.Equal(t, []string{"running", "added"}, names(sup.Children(child.Running)))
		require.Equal(t, []string{"done", "waiting"}, names(sup.Children(child.Waiting, child.Done)))
		require.Equal(t, supervisor.Counts{Specs: 7, Active: 4, Workers: 7}, sup.Count())

		deaf.Release()
		require.NoError(t, sup.Stop(t.Context()))
		require.Empty(t, sup.Children(child.Running, child.Starting, child.Stopping, child.Waiting))
		require.Equal(t, []string{"done", "waiting", "stopped", "stopping", "running", "added", "starting"},
			names(sup.Children(child.Stopped, child.Done)), "what the end has left")
	})
}

func noWork(context.Context) error { return nil }

func TestCountCountsAsOTPDoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		inner := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(time.Second)},
			{Name: "b", Run: idle},
			{Name: "inner", Run: inner.Run},
		}})
		require.Zero(t, sup.Count())
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, supervisor.Counts{Specs: 3, Active: 3, Supervisors: 1, Workers: 2}, sup.Count())
		p.end(errBoom)
		require.Equal(t, supervisor.Counts{Specs: 3, Active: 2, Supervisors: 1, Workers: 2}, sup.Count(), "one waits")
		require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: "x", Run: idle}))
		require.Equal(t, 3, sup.Count().Specs, "grandchildren are not counted")
		require.NoError(t, sup.RemoveChild(t.Context(), "inner", "b"))
		require.Equal(t, supervisor.Counts{Specs: 1, Workers: 1}, sup.Count())
		require.NoError(t, sup.Stop(t.Context()))
		require.Equal(t, supervisor.Counts{Specs: 1, Workers: 1}, sup.Count(), "what the end has left")
	})
}

func TestLookupTakesANameARelativePathOrAFullOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "leaf", Run: idle}}})
		mid := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "deep", Run: deep.Run}}})
		root := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "mid", Run: mid.Run}, {Name: "other", Run: idle},
		}})
		for _, at := range []struct {
			sup  *supervisor.Supervisor
			path string
			want string
		}{
			{root, "other", "/shop/other"},
			{root, "/shop/other", "/shop/other"},
			{root, "mid/deep/leaf", "/shop/mid/deep/leaf"},
			{root, "/shop/mid/deep/leaf", "/shop/mid/deep/leaf"},
			{mid, "deep/leaf", "/shop/mid/deep/leaf"},
			{deep, "leaf", "/shop/mid/deep/leaf"},
			{deep, "/shop/mid/deep/leaf", "/shop/mid/deep/leaf"},
			{deep, "/shop/other", "/shop/other"}, // all that Tree prints can be pasted back
		} {
			require.Equal(t, at.want, lookup(t, at.sup, at.path).Path, "%v from %v", at.path, at.sup)
		}
		for _, path := range []string{"", "/", "/shop", "/shop/", "nobody", "mid/nobody", "other/x", "leaf", "/other", "mid/", "/shopother", "mid//deep"} {
			_, ok := root.Lookup(path)
			require.False(t, ok, "%q", path)
		}
		_, ok := deep.Lookup("other")
		require.False(t, ok)

		require.NoError(t, root.Stop(t.Context()))
		_, ok = root.Lookup("other")
		require.False(t, ok, "it does not run")
	})
}
