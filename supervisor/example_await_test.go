package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Await waits until a child is healthy again, or says that it will not be.
func ExampleSupervisor_Await() {
	crash := make(chan error)
	root := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "db", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			select {
			case err := <-crash:
				return err
			case <-ctx.Done():
				return nil
			}
		}}},
	})
	ctx := context.Background()
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
	}
	root.Suspend(ctx) // holds restarts back
	crash <- errors.New("connection lost")
	_ = root.Await(ctx, "db", child.Waiting)
	fmt.Println("it waits for its restart")
	root.Resume(ctx)
	_ = root.Await(ctx, "db")
	fmt.Println("it is healthy again")
	_ = root.RemoveChild(ctx, "db")
	fmt.Println(root.Await(ctx, "db"))
	_ = root.Stop(ctx)
	// Output:
	// it waits for its restart
	// it is healthy again
	// /shop/db: no such child
}
