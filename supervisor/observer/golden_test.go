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

// The format is a promise: a change of these files that is not a new field breaks it.
func TestTheViewsAreAsInTheGoldenFiles(t *testing.T) {
	observer.SetProcess(t, "shop-5d8c", "v1.2.3", "go1.26.8", 42, 1<<20)
	bubble(t, func(t *testing.T) {
		refused := errors.New("dial tcp 10.0.4.17:5432: connect: connection refused")
		root := declare(supervisor.Spec{Drain: 5 * time.Second, Children: []child.Spec{
			{Name: "db", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				if !child.Sleep(ctx, 65*time.Second) {
					ctx.Unready(refused)
				}
				<-ctx.Done()
				return nil
			}},
			{Name: "feeds", Run: supervisor.New(supervisor.Spec{Strategy: strategy.RestForOne, Children: []child.Spec{
				{Name: "dialer", Backoff: child.Constant(20 * time.Second), Run: func(ctx child.Context) error {
					if err := ctx.Ready(); err != nil {
						return err
					}
					if child.Sleep(ctx, 30*time.Second) {
						return nil
					}
					if ctx.Restarts() == 0 {
						return errors.New("read: unexpected EOF")
					}
					<-ctx.Done()
					return nil
				}},
				{Name: "decoder", Run: idle},
			}}).Run},
			{Name: "exporter", Backoff: child.Constant(29 * time.Second), Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				child.Sleep(ctx, 3*time.Second)
				if ctx.ShouldHalt() {
					return nil
				}
				return errors.New("POST https://warehouse.internal/v2/batch: 503 Service Unavailable")
			}},
			{Name: "migrate", Restart: child.Transient, Run: func(ctx child.Context) error { return ctx.Ready() }},
		}})
		require.NoError(t, root.Start(t.Context()))
		defer func() { _ = root.Stop(context.Background()) }()
		synctest.Wait()
		o := observe(t, root, observer.Spec{Act: anybody}) // two supervisors start: their events are in no order
		time.Sleep(70 * time.Second)
		synctest.Wait()
		for name, target := range map[string]string{
			"tree.json": "/tree.json?seen=1", "causes.json": "/causes.json", "children.json": "/children.json?n=3&sort=name",
			"child.json": "/child?path=exporter", "child_supervisor.json": "/child?path=/shop/feeds", "events.json": "/events.json",
			"tree_past.json": "/tree.json?at=2000-01-01T00:00:40Z", "error.json": "/child?path=none",
			"explain.json": "/explain.json?grace=5s", "explain_child.json": "/explain.json?path=exporter", "explain.txt": "/explain.txt?path=feeds&grace=5s",
			"tree.txt": "/tree.txt", "tree.dot": "/tree.dot", "tree.mmd": "/tree.mmd",
		} {
			golden(t, name, do(o, local(http.MethodGet, target, "")).Body.Bytes())
		}
		run := runOf(t, o, "exporter")
		golden(t, "conflict.json", post(o, view.Act{Path: "/shop/exporter", Action: view.Stop, Run: run + 1_000}).Body.Bytes())
		golden(t, "acted.json", post(o, view.Act{Path: "/shop/exporter", Action: view.Stop, Run: run}).Body.Bytes())
		c := connect(t, o, "/events", "Last-Event-ID", "1")
		time.Sleep(100 * time.Millisecond)
		golden(t, "events.sse", []byte(c.read()))
		require.NoError(t, root.Stop(context.Background()))
	})
}
