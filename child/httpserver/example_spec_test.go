package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// A server on a unix socket, which its group may use too: Listen makes the listener, and may
// set what it likes.
func ExampleSpec_unixSocket() {
	dir, err := os.MkdirTemp("", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "shop.sock")
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	api := httpserver.New(httpserver.Spec{
		Network: "unix",
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			var config net.ListenConfig
			ln, err := config.Listen(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return ln, os.Chmod(address, 0o660)
		},
		Server: func(child.Context) (*http.Server, error) {
			return &http.Server{Addr: socket, Handler: hello}, nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "api", Run: api.Run}}})
	fmt.Println(root.Start(context.Background()))

	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Get("http://shop/")
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(string(body))
	client.CloseIdleConnections()
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// hello
	// <nil>
}

// A server that drains still answers after it was asked to stop, and closes each connection
// after a response, so that clients go elsewhere.
func ExampleSpec_drain() {
	ctx := context.Background()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	api := httpserver.New(httpserver.Spec{
		Drain: time.Second, // in a program, some seconds
		Server: func(child.Context) (*http.Server, error) {
			return &http.Server{Addr: "127.0.0.1:0", Handler: hello}, nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "api", Run: api.Run}}})
	fmt.Println(root.Start(ctx))
	addr, _ := api.Addr.Get(ctx)

	stopping := root.Watch(ctx, "api", supervisor.EventStopping)
	stopped := make(chan error)
	go func() { stopped <- root.Stop(ctx) }()
	<-stopping
	resp, err := http.Get("http://" + addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Status)
	resp.Body.Close()
	fmt.Println(<-stopped)
	// Output:
	// <nil>
	// 200 OK
	// <nil>
}
