package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Each concern has its own Around.
func ExampleArounds() {
	named := func(name string) func(child.Context, func(child.Context) error) error {
		return func(ctx child.Context, run func(child.Context) error) error {
			fmt.Println(name, "begins", ctx.Path())
			defer fmt.Println(name, "ends", ctx.Path())
			return run(ctx)
		}
	}
	shop := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Around: supervisor.Arounds(named("span"), named("timer")),
		Children: []child.Spec{{Name: "migrate", Run: child.Task(func(context.Context) error {
			fmt.Println("migrates")
			return nil
		})}},
	})
	ctx := context.Background()
	fmt.Println(shop.Start(ctx), shop.Stop(ctx))
	// Output:
	// span begins /shop/migrate
	// timer begins /shop/migrate
	// migrates
	// timer ends /shop/migrate
	// span ends /shop/migrate
	// <nil> <nil>
}
