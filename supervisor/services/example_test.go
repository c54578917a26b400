package services_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisor/services"
)

func ExampleDefault() {
	ctx := context.Background()
	poll := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		fmt.Println(ctx.Path(), "polls")
		<-ctx.Done()
		return nil
	}
	// Anywhere in the program:
	err := services.Default().StartChild(ctx, child.Spec{Name: "poller", Run: poll})
	fmt.Println(err)
	// At the end of main:
	fmt.Println(services.Default().Stop(ctx))
	services.SetDefault(nil) // so that the next example gets a new one
	// Unordered output:
	// /root/poller polls
	// <nil>
	// <nil>
}

func ExampleSetDefault() {
	mine := supervisor.New(supervisor.Spec{Name: "shop", Logger: slog.New(slog.DiscardHandler)})
	before := services.SetDefault(mine)
	defer services.SetDefault(before)
	fmt.Println(services.Default().Path())
	// Output: /shop
}
