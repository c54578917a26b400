package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// fetch prints the response of a server.
func fetch(s *httpserver.Server) {
	addr, err := s.Addr.Get(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := http.Get("http://" + addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body))
	http.DefaultClient.CloseIdleConnections()
}

func Example() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	api := httpserver.New(httpserver.Spec{
		Server: func(child.Context) (*http.Server, error) {
			return &http.Server{Addr: "127.0.0.1:0", Handler: hello, ReadHeaderTimeout: 5 * time.Second}, nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Backoff:  child.Exponential(100*time.Millisecond, 10*time.Second),
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	fmt.Println(root.Start(context.Background()))
	fetch(api)
	fmt.Println(root.RestartChild(context.Background(), "api"))
	fetch(api) // at another port, which api.Addr knows
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// hello
	// <nil>
	// hello
	// <nil>
}

// A given listener, for example from systemd or a test, serves every run and stays open.
func ExampleSpec() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	runs := 0
	api := httpserver.New(httpserver.Spec{
		Listener: ln,
		Server: func(child.Context) (*http.Server, error) {
			runs++
			answer := fmt.Sprint("from run ", runs)
			return &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })}, nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "api", Run: api.Run}}})
	fmt.Println(root.Start(context.Background()))
	fetch(api)
	fmt.Println(root.RestartChild(context.Background(), "api"))
	fetch(api)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// from run 1
	// <nil>
	// from run 2
	// <nil>
}

// Without a supervisor, a server stops when its context ends.
func ExampleServer_Run() {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	api := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: hello}, nil
	}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- api.Run(child.FromContext(ctx)) }()
	fetch(api)
	stop()
	fmt.Println(<-ended)
	// Output:
	// hello
	// <nil>
}
