package recipes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// newServer is called for each run of the server.
func newServer(ctx child.Context) (*http.Server, error) {
	sup, _ := supervisor.FromContext(ctx)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := sup.Root().Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return &http.Server{Addr: "127.0.0.1:0", Handler: mux, ReadHeaderTimeout: 5 * time.Second}, nil
}

// The readiness probe of this HTTP server fails while any declared child is not ready. Set
// the server's StopTimeout to fit the time that your orchestrator gives the process to
// stop.
func Example_httpHealth() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	web := httpserver.New(httpserver.Spec{Server: newServer})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "feed", Run: idle},
		{Name: "web", Run: web.Run, StopTimeout: 20 * time.Second},
	}})
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	probe := func() {
		addr, _ := web.Addr.Get(ctx)
		resp, err := http.Get("http://" + addr.String() + "/readyz")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		fmt.Printf("%s: %s", resp.Status, body)
	}
	probe()
	_ = root.StopChild(ctx, "feed")
	probe()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(root.Stop(ctx))
	// Output:
	// 200 OK: ready
	// 503 Service Unavailable: /shop/feed: not ready: stopped
	// <nil>
}
