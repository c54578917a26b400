package observer_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/view"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// The views of a Graph supervisor show its edges, and say who stops and starts with a child.
func TestViewsOfAGraph(t *testing.T) {
	bubble(t, func(t *testing.T) {
		root := start(t, supervisor.Spec{Strategy: strategy.Graph, Children: []child.Spec{
			{Name: "db", Run: idle, StopTimeout: 7 * time.Second},
			{Name: "cache", Run: idle, StopTimeout: 20 * time.Second},
			{Name: "api", Run: idle, StopTimeout: 10 * time.Second, Needs: []string{"db"}, After: []string{"cache"}},
			{Name: "edge\"<b>", Run: idle, Needs: []string{"api"}},
			{Name: "inner", Run: supervisor.New(supervisor.Spec{Strategy: strategy.Graph, Children: []child.Spec{
				{Name: "p", Run: idle, StopTimeout: time.Second},
				{Name: "q", Run: idle, StopTimeout: 2 * time.Second, Needs: []string{"p"}},
				{Name: "r", Run: idle, StopTimeout: 2500 * time.Millisecond},
			}}).Run},
		}})
		o := observe(t, root, observer.Spec{Act: anybody})
		synctest.Wait()
		require.Equal(t, `digraph tree {
	rankdir=LR
	node [shape=box, style="filled", fontname="sans-serif"]
	n0 [label="shop\nrunning, graph", style="filled", fillcolor="#e7f3f0", color="#00665a"]
	n1 [label="db\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n0 -> n1
	n2 [label="cache\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n0 -> n2
	n3 [label="api\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n0 -> n3
	n4 [label="edge\"<b>\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n0 -> n4
	n5 [label="inner\nrunning, graph", style="filled", fillcolor="#e7f3f0", color="#00665a"]
	n0 -> n5
	n6 [label="p\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n5 -> n6
	n7 [label="q\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n5 -> n7
	n8 [label="r\nrunning", style="filled,rounded", fillcolor="#e7f3f0", color="#00665a"]
	n5 -> n8
	n3 -> n1 [label="needs", style=dashed, constraint=false]
	n3 -> n2 [label="after", style=dotted, constraint=false]
	n4 -> n3 [label="needs", style=dashed, constraint=false]
	n7 -> n6 [label="needs", style=dashed, constraint=false]
}
`, do(o, local(http.MethodGet, "/tree.dot", "")).Body.String())
		mermaid := do(o, local(http.MethodGet, "/tree.mmd", "")).Body.String()
		require.Contains(t, mermaid, "\tn3 -. needs .-> n1\n\tn3 -. after .-> n2\n\tn4 -. needs .-> n3\n")
		require.Contains(t, do(o, local(http.MethodGet, "/tree.txt", "")).Body.String(), "needs db, after cache")

		tree := get[view.Tree](t, o, "/tree.json").Tree
		require.Equal(t, []string{"db"}, tree.Children[2].Needs)
		require.Equal(t, []string{"cache"}, tree.Children[2].After)

		db := get[view.Child](t, o, "/child?path=db")
		for _, act := range db.Acts {
			if act.Action == view.Restart || act.Action == view.Stop {
				require.Equal(t, []string{"/shop/api", `/shop/edge"<b>`}, act.Also, "%v", act.Action)
			}
			switch act.Action {
			case view.Restart:
				require.Equal(t, `It is stopped and started again, and with it api and edge"<b>. That does not count as a restart.`, act.Text)
			case view.Stop:
				require.Equal(t, "It is stopped and stays so until it is started, and so do those that need it.", act.Text)
			}
		}
		edge := get[view.Child](t, o, "/child?path=edge%22%3Cb%3E")
		for _, act := range edge.Acts {
			require.Empty(t, act.Also, "%v", act.Action)
		}
		require.Contains(t, get[view.Child](t, o, "/child?path=api").Spec, "It needs db: it starts after that and stops before it, and fails with it.")
		require.Contains(t, get[view.Child](t, o, "/child?path=api").Spec, "It starts after cache and stops before it, if they do so at the same time.")
		inner := get[view.Child](t, o, "/child?path=inner")
		require.Contains(t, inner.Spec, "Graph: a child that fails is restarted with those that need it, and children start and stop along what they need.")
		for _, act := range inner.Acts {
			if act.Action == view.Stop {
				require.Equal(t, "3s", act.Longest, "p and q one after the other, r beside them")
			}
		}
	})
}

// A child that waits for one that it needs says so. One that has declined to start is not
// waited for.
func TestChildOfAGraphSaysWhatItWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fail := make(chan error)
		root := declare(supervisor.Spec{Strategy: strategy.Graph, Children: []child.Spec{
			{Name: "db", Backoff: child.Constant(time.Minute), Run: func(ctx child.Context) error {
				child.Sleep(ctx, time.Second)
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case err := <-fail:
					return err
				case <-ctx.Done():
					return nil
				}
			}},
			{Name: "api", Run: idle, Needs: []string{"db", "old"}},
			{Name: "old", Run: func(child.Context) error { return child.ErrIgnore }},
			{Name: "report", Run: idle, After: []string{"db", "api"}},
		}})
		o := observe(t, root, observer.Spec{})
		waits := func() (all [][]string) {
			for _, c := range get[view.Tree](t, o, "/tree.json").Tree.Children {
				all = append(all, c.Waits)
			}
			return all
		}
		go func() { _ = root.Start(t.Context()) }()
		synctest.Wait()
		require.Equal(t, [][]string{nil, {"db"}, nil, {"db", "api"}}, waits())
		require.Equal(t, "It starts when what it waits for is ready: db.", get[view.Child](t, o, "/child?path=api").Next[0].Text)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, [][]string{nil, nil, nil, nil}, waits())
		fail <- errors.New("connection refused")
		synctest.Wait()
		require.Equal(t, [][]string{nil, {"db"}, nil, nil}, waits())
		require.Contains(t, get[view.Child](t, o, "/child?path=api").Say, "It has been waiting for db since ")
		require.Equal(t, "It starts when what it waits for is ready: db.", get[view.Child](t, o, "/child?path=api").Next[0].Text)
		require.Equal(t, "It starts, and with it api.", get[view.Child](t, o, "/child?path=db").Next[0].Text)
		require.NoError(t, root.Stop(context.Background()))
	})
}
