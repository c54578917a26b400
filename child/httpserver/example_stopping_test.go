package httpserver_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
)

// prices sends events until the client leaves or the server stops.
func prices(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	next := time.NewTicker(time.Minute)
	defer next.Stop()
	for {
		fmt.Fprint(w, "data: 42\n\n")
		if out.Flush() != nil {
			return
		}
		select {
		case <-next.C:
		case <-r.Context().Done():
			return
		case <-httpserver.Stopping(r.Context()):
			fmt.Fprint(w, "retry: 1000\nevent: bye\ndata:\n\n") // the client reconnects, to another instance
			return
		}
	}
}

// A stream of server-sent events ends when the server is asked to stop, so the stop does
// not have to wait for it.
func ExampleStopping() {
	api := httpserver.New(httpserver.Spec{Server: func(child.Context) (*http.Server, error) {
		return &http.Server{Addr: "127.0.0.1:0", Handler: http.HandlerFunc(prices)}, nil
	}})
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{{Name: "api", Run: api.Run, StopTimeout: 20 * time.Second}},
	})
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	addr, _ := api.Addr.Load()
	resp, err := http.Get("http://" + addr.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	events := bufio.NewReader(resp.Body)
	first, _ := events.ReadString('\n')
	fmt.Print(first)

	fmt.Println("stopped:", root.Stop(context.Background()))
	rest, err := io.ReadAll(events)
	fmt.Printf("%q %v\n", rest, err)
	// Output:
	// data: 42
	// stopped: <nil>
	// "\nretry: 1000\nevent: bye\ndata:\n\n" <nil>
}
