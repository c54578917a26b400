package observer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// An outage: a database, and sessions that need it.
func outage(t *testing.T, sessions, every int) (root *supervisor.Supervisor, o *observer.Observer, down func(), failed int) {
	t.Helper()
	broken, noticed := make(chan struct{}), make(chan struct{})
	db := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-broken:
			ctx.Unready(errors.New("dial tcp 10.0.4.17:5432: connect: connection refused (session 0)"))
			close(noticed)
		case <-ctx.Done():
		}
		<-ctx.Done()
		return nil
	}
	session := func(i int) func(child.Context) error {
		return func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil || i%every != 0 {
				<-ctx.Done()
				return err
			}
			select {
			case <-noticed:
				return fmt.Errorf("dial tcp 10.0.4.17:5432: connect: connection refused (session %d)", i)
			case <-ctx.Done():
				return nil
			}
		}
	}
	pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, Backoff: child.Constant(time.Hour)})
	root = start(t, supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: db}}}).Run},
		{Name: "sessions", Run: pool.Run},
	}})
	o = observe(t, root, observer.Spec{Keep: 1000})
	specs := make([]child.Spec, sessions)
	for i := range specs {
		specs[i] = child.Spec{Name: fmt.Sprintf("s-%d", i), Run: session(i)}
	}
	require.NoError(t, pool.StartChild(context.Background(), specs...))
	return root, o, func() { close(broken) }, (sessions + every - 1) / every
}

func TestTheTopRowNamesTheErrorTheCountAndWhereItBegan(t *testing.T) {
	sessions := 100_000
	if testing.Short() || underRace {
		sessions = 2500
	}
	root, o, down, failed := outage(t, sessions, 25)
	seen := root.Watch(t.Context(), "", supervisor.EventFailed, supervisor.EventUnready)
	require.Equal(t, view.Well, get[view.Causes](t, o, "/causes.json").State)
	down()
	<-seen
	require.Eventually(t, func() bool {
		return len(root.Tree().Children) == 2 && get[view.Causes](t, o, "/causes.json").Trouble == failed+1
	}, time.Minute, 50*time.Millisecond)

	v := get[view.Causes](t, o, "/causes.json")
	require.Equal(t, view.Degraded, v.State, "because of the pool: the sessions are dynamic")
	require.Len(t, v.Causes, 1)
	top := v.Causes[0]
	require.Equal(t, failed+1, top.N)
	require.Equal(t, "dial tcp 10.0.4.17:5432: connect: connection refused (session ‹n›)", top.Text, "what all share is shown")
	require.Equal(t, "/shop/db/pool", top.Path, "where it began")
	require.Contains(t, top.Also, fmt.Sprintf("/shop/sessions (%s of ", commas(failed)))
	kids := get[view.Children](t, o, "/children.json?mask="+top.ID+"&n=500&sort=name")
	require.Equal(t, failed+1, kids.Total)
	tree := get[view.Tree](t, o, "/tree.json")
	require.True(t, tree.Tree.Children[1].Paged)
	require.Len(t, tree.Tree.Children[1].Folds, 2)
	require.Equal(t, failed, tree.Tree.Children[1].Folds[0].N, "the worst first")
	w := do(o, local(http.MethodGet, "/tree.json", ""))
	require.Less(t, w.Body.Len(), 20<<10, "rows are folded")
}

func TestOneCauseOverTheTreeIsOneRow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		boom := func(ctx child.Context) error {
			_ = ctx.Ready()
			if ctx.Path() != "/shop/db/pool" {
				child.Sleep(ctx, time.Second)
			}
			return errors.New("dial tcp 10.0.4.17:5432: connect: connection refused")
		}
		var others []child.Spec
		for i := range 40 {
			others = append(others, child.Spec{Name: fmt.Sprintf("s-%d", i), Run: boom, Backoff: child.Constant(time.Hour)})
		}
		root := declare(supervisor.Spec{Children: []child.Spec{
			{Name: "db", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: boom, Backoff: child.Constant(time.Hour)}}}).Run},
			{Name: "sessions", Run: supervisor.New(supervisor.Spec{Children: others}).Run},
			{Name: "api", Run: idle},
		}})
		o := observe(t, root, observer.Spec{})
		require.NoError(t, root.Start(t.Context()))
		defer func() { require.NoError(t, root.Stop(context.Background())) }()
		time.Sleep(time.Minute)
		v := get[view.Causes](t, o, "/causes.json")
		require.Len(t, v.Causes, 1)
		c := v.Causes[0]
		require.Equal(t, 41, c.N)
		require.Equal(t, uint64(41), c.Seen)
		require.Equal(t, "/shop/db/pool", c.Path)
		require.Equal(t, "/shop/sessions (40 of 40)", c.Also)
		require.Equal(t, "dial tcp 10.0.4.17:5432: connect: connection refused", c.Text)
		require.Equal(t, 41, c.Trend[58])
		require.Equal(t, []string{"/shop/db/pool", "/shop/sessions/s-0", "/shop/sessions/s-1", "/shop/sessions/s-2"}, c.Examples)
	})
}

func commas(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func TestTheGiveUpThatEndsTheProcessIsForecast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := declare(supervisor.Spec{Children: []child.Spec{
			{Name: "exporter", Backoff: child.Constant(time.Minute).Retries(5), Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				return errors.New("503 Service Unavailable")
			}},
			{Name: "loud", Backoff: child.Constant(time.Minute), Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				return errors.New("connection refused")
			}},
		}})
		o := observe(t, root, observer.Spec{})
		require.NoError(t, root.Start(t.Context()))
		began := time.Now()
		defer func() { _ = root.Stop(context.Background()) }()
		time.Sleep(90 * time.Second)
		v := get[view.Causes](t, o, "/causes.json")
		require.NotNil(t, v.Worst)
		require.Equal(t, "/shop/exporter", v.Worst.Path)
		require.WithinDuration(t, began.Add(5*time.Minute), v.Worst.At, 0)
		require.Equal(t, "503 Service Unavailable", v.Causes[0].Text)
		require.NotEmpty(t, v.Causes[0].Deadline)
		require.Contains(t, v.Causes[0].Safe, "Stop /shop/exporter")
		time.Sleep(10 * time.Minute)
		v = get[view.Causes](t, o, "/causes.json")
		require.Equal(t, view.Down, v.State, "as it was said")
		require.Nil(t, v.Worst)
	})
}
