package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A handler that has only the root adds a child to the supervisor of the jobs.
func ExampleSupervisor_Nested() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	shop := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "jobs", Run: jobs.Run}},
	})
	if err := shop.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	found, ok := shop.Nested("jobs")
	fmt.Println(ok, found.Path())
	fmt.Println(found.StartChild(ctx, child.Spec{Name: "job-17", Run: child.Task(func(ctx context.Context) error {
		fmt.Println(child.FromContext(ctx).Path(), "works")
		return nil
	})}))
	_, ok = shop.Nested("api")
	fmt.Println(ok)
	fmt.Println(shop.Stop(ctx))
	// Output:
	// true /shop/jobs
	// /shop/jobs/job-17 works
	// <nil>
	// false
	// <nil>
}
