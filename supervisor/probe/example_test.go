package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/probe"
)

// The probes have a server of their own, in the child that is declared first. They are about
// the tree that it runs in.
func Example() {
	probes := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: probe.New(probe.Spec{})}, nil // ":8081" in a pod
	}})
	db := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		ctx.Unready(errors.New("connection refused"))
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "probes", Run: probes.Run},
		{Name: "db", Run: db},
	}})
	unready := root.Watch(context.Background(), "db", supervisor.EventUnready)
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-unready

	addr, _ := probes.Addr.Load()
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		resp, err := http.Get("http://" + addr.String() + path)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Print(resp.StatusCode, " ", string(body))
	}
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// 200 live
	// 503 not ready
	// /shop/db: not ready: connection refused
	// 200 started
	// <nil>
}

// An optional child that is down does not take the pod out of traffic. Spec.Root is for a
// server that does not run in the tree, as here.
func ExampleSpec() {
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "debug", Run: idle},
		{Name: "api", Run: idle},
	}})
	handler := probe.New(probe.Spec{Root: root, Optional: []string{"debug"}})
	ask := func(url string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, url, nil))
		fmt.Print(answer.Code, " ", answer.Body)
	}
	_ = root.Start(context.Background())
	_ = root.StopChild(context.Background(), "debug")
	ask("/readyz")
	ask("/readyz?verbose")
	_ = root.StopChild(context.Background(), "api")
	ask("/readyz")
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// 200 ready
	// 200 ready
	// optional: /shop/debug: not ready: stopped
	// 503 not ready
	// /shop/api: not ready: stopped
	// <nil>
}
