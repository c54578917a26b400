package observer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/httpserver"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/observer"
)

// A page on loopback, in a child of the tree that it shows.
func Example() {
	debug := httpserver.New(httpserver.Spec{Server: func(ctx child.Context) (*http.Server, error) {
		mux := http.NewServeMux()
		mux.Handle("/debug/coppice/", http.StripPrefix("/debug/coppice", observer.New(ctx, observer.Spec{})))
		return &http.Server{Addr: "localhost:0", Handler: mux}, nil // such as localhost:6060
	}})
	db := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		ctx.Unready(errors.New("connection refused"))
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Around:   observer.Label,
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "debug", Run: debug.Run}, {Name: "db", Run: db}},
	})
	ctx := context.Background()
	unready := root.Watch(ctx, "db", supervisor.EventUnready)
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	<-unready
	addr, err := debug.Addr.Get(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := http.Get("http://" + addr.String() + "/debug/coppice/causes.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	var seen struct {
		State  string
		Causes []struct{ Text, Path, Doing string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&seen); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(seen.State)
	for _, c := range seen.Causes {
		fmt.Printf("%s: %s. %s\n", c.Path, c.Text, c.Doing)
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// degraded
	// /shop/db: connection refused. It is running, but says that it is not ready.
	// <nil>
}

// Operators whom a proxy has authenticated may restart children.
func ExampleSpec() {
	user := func(r *http.Request) string { return r.Header.Get("X-Authenticated-User") } // set by the proxy only
	root := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "api", Run: child.Plain(func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})}},
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	o := observer.New(ctx, observer.Spec{
		Root:     root, // ctx does not belong to a child
		Allow:    func(r *http.Request) bool { return user(r) != "" },
		Act:      func(r *http.Request, a observer.Action, path string) bool { return a == observer.Restart },
		Who:      user,
		Keep:     1000,
		Linger:   time.Minute,
		Degraded: 0.5,
	})

	before, _ := root.Lookup("api")
	act := func(action observer.Action) {
		body, _ := json.Marshal(map[string]any{"path": "/shop/api", "action": action, "run": before.Run})
		r, _ := http.NewRequest(http.MethodPost, "https://shop.example/act", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Authenticated-User", "alice")
		w := &recorder{header: http.Header{}}
		o.ServeHTTP(w, r)
		fmt.Println(action, w.code)
	}
	asked := root.Watch(ctx, "", supervisor.EventRequest)
	act(observer.Stop)
	act(observer.Restart)
	e := <-asked
	fmt.Println(e.By, "asked for", e.Reason, "of", e.Path)
	fmt.Println(root.Stop(ctx))
	// Output:
	// stop 403
	// restart 200
	// alice asked for restart-child of /shop/api
	// <nil>
}

// A recorder is a response writer that keeps the status.
type recorder struct {
	header http.Header
	code   int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(code int)        { r.code = code }
func (r *recorder) Write(b []byte) (int, error) { return io.Discard.Write(b) }
