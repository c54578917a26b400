package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// This API keeps running while its database is away, and reports that it is not ready.
// RestForOne would restart it with the database.
func Example_refAndUnready() {
	type conn struct{ lost <-chan struct{} } // and a *sql.DB, in a program
	var db child.Ref[conn]
	crash := make(chan error)
	root := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{
			{Name: "db", Backoff: child.Constant(20 * time.Millisecond), Run: func(ctx child.Context) error {
				db.Set(ctx, conn{lost: ctx.Done()}) // until this run ends
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case <-ctx.Done():
					return nil
				case err := <-crash:
					return err
				}
			}},
			{Name: "api", Run: func(ctx child.Context) error {
				for {
					c, err := db.Get(ctx) // waits while the database is down
					if err != nil {
						return err
					}
					if err := ctx.Ready(); err != nil { // also ends Unready
						return err
					}
					select {
					case <-ctx.Done():
						return nil
					case <-c.lost: // requests get 503 from here on
						ctx.Unready(errors.New("no database"))
					}
				}
			}},
		},
	})
	events := make(chan supervisor.Event, 10)
	defer root.Subscribe(func(e supervisor.Event) { events <- e }, supervisor.EventFailed, supervisor.EventStarting, supervisor.EventUnready)()
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	crash <- errors.New("connection reset")
	seen := map[string]int{}
	for range 5 { // two starts, the failure, Unready, and the restart of db
		e := <-events
		seen[fmt.Sprint(e.Kind, " ", e.Path)]++
	}
	fmt.Println(seen)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// map[failed /shop/db:1 starting /shop/api:1 starting /shop/db:2 unready /shop/api:1]
	// <nil>
}
