package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Explain says what a tree will do, and whether its stop fits into the time that the platform
// gives.
func ExampleSupervisor_Explain() {
	serve := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne,
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{
			{Name: "db", Run: serve, StartTimeout: time.Minute, Backoff: child.Constant(time.Second)},
			{Name: "api", Run: serve, StartTimeout: time.Second, StopTimeout: 30 * time.Second},
		},
	})
	ctx := context.Background()
	if err := root.Start(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Print(root.Explain())
	fmt.Println(root.Explain().Fits(30 * time.Second)) // terminationGracePeriodSeconds
	_ = root.Stop(ctx)
	// Output:
	// /shop: rest-for-one, at most 3 restarts in 5s
	//   stop:  at most 35s: StopTimeout of /shop/api (30s), StopTimeout of /shop/db (5s)
	//   start: at most 1m1s: StartTimeout of /shop/db (1m0s), StartTimeout of /shop/api (1s)
	//   /shop/db: restarted always, with api; after 1s; tried forever; stops within 5s
	//   /shop/api: restarted always, alone; at once; /shop gives up after 3 restarts, and the tree ends; stops within 30s
	// /shop: a stop may take 35s, and must take less than 30s: lower StopTimeout of /shop/api (30s), or set Spec.StopTimeout
}
