package observer_test

import (
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

func names(v view.Children) (all []string) {
	for _, n := range v.Children {
		all = append(all, n.Name)
	}
	return all
}

func TestRowsAreFilteredAndSortedByTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		times := func(n int, err error) child.Spec {
			return child.Spec{Backoff: child.Constant(time.Second), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil || ctx.Restarts() >= n {
					<-ctx.Done()
					return err
				}
				return err
			}}
		}
		named := func(name string, s child.Spec) child.Spec { s.Name = name; return s }
		root := start(t, supervisor.Spec{Children: []child.Spec{
			named("c", times(2, errors.New("Connection REFUSED"))),
			named("a", times(5, errors.New("no such host"))),
			named("b", times(1<<30, errors.New("connection refused by 10.0.0.1:80"))),
			{Name: "inner", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "d", Run: idle}}}).Run},
		}})
		o := observe(t, root, observer.Spec{})
		time.Sleep(10*time.Second + 500*time.Millisecond)
		rows := func(query string) []string { return names(get[view.Children](t, o, "/children.json?"+query)) }
		require.Equal(t, []string{"shop", "c", "a", "b", "inner", "d"}, rows(""), "start order, the whole tree")
		require.Equal(t, []string{"c", "a", "b", "inner"}, rows("path=/shop"), "its own children")
		require.Equal(t, []string{"d"}, rows("path=inner"))
		require.Equal(t, []string{"c", "b"}, rows("filter=connection+refused"))
		require.Equal(t, []string{"inner", "d"}, rows("filter=/INNER"))
		require.Equal(t, []string{"b"}, rows("state=waiting"))
		require.Equal(t, []string{"b"}, rows("trouble=1"))
		require.Equal(t, []string{"b", "a", "c"}, rows("sort=restarts")[:3])
		require.Equal(t, []string{"a", "b", "c", "d", "inner", "shop"}, rows("sort=name"))
		require.Equal(t, []string{"b", "a", "c"}, rows("sort=age")[:3], "the newest state first")
		require.Empty(t, rows("filter=nothing+like+that"))
		require.NotNil(t, get[view.Children](t, o, "/children.json?state=none").Children)
		for query, code := range map[string]int{"sort=size": 400, "path=/shop/x": 404, "n=-1": 400, "n=x": 400, "cursor=x": 400, "cursor=LTEgYQ": 400} {
			require.Equal(t, code, do(o, local(http.MethodGet, "/children.json?"+query, "")).Code, query)
		}
	})
}

func TestACursorGoesOnWhereThePageEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pool := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
		o := observe(t, root, observer.Spec{})
		for i := range 1234 {
			require.NoError(t, pool.StartChild(t.Context(), child.Spec{Name: fmt.Sprintf("job-%04d", i), Run: idle}))
		}
		var all []string
		cursor := ""
		for page := 0; ; page++ {
			v := get[view.Children](t, o, "/children.json?path=pool&n=500&cursor="+cursor)
			require.Equal(t, len(all), v.From)
			all = append(all, names(v)...)
			if cursor = v.Next; cursor == "" {
				break
			}
		}
		require.Len(t, all, 1234)
		require.Equal(t, "job-1233", all[1233])
		require.Len(t, get[view.Children](t, o, "/children.json?path=pool").Children, 100)
		require.Len(t, get[view.Children](t, o, "/children.json?path=pool&n=100000").Children, 500)

		first := get[view.Children](t, o, "/children.json?path=pool&n=10")
		require.NoError(t, pool.RemoveChild(t.Context(), "job-0003", "job-0005"))
		require.Equal(t, "job-0010", names(get[view.Children](t, o, "/children.json?path=pool&n=10&cursor="+first.Next))[0], "none is skipped")
		require.NoError(t, pool.RemoveChild(t.Context(), "job-0009"))
		require.Equal(t, "job-0013", names(get[view.Children](t, o, "/children.json?path=pool&n=10&cursor="+first.Next))[0], "the last row is gone: by its index")
	})
}
