package strategy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func Example() {
	fail := make(chan error)
	// Each child prints when it starts. The cache also fails on request.
	run := func(ctx child.Context) error {
		fmt.Println(ctx.Path(), "starts")
		if err := ctx.Ready(); err != nil {
			return err
		}
		var failure <-chan error
		if ctx.Path() == "/shop/cache" {
			failure = fail
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failure:
			return err
		}
	}
	shop := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne, // the failed child and those declared after it
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "db", Run: run}, {Name: "cache", Run: run}, {Name: "api", Run: run}},
	})
	ctx := context.Background()
	if err := shop.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	back := shop.Watch(ctx, "api", supervisor.EventReady)
	fail <- errors.New("out of memory")
	<-back
	fmt.Println(shop.Stop(ctx))
	// Output:
	// /shop/db starts
	// /shop/cache starts
	// /shop/api starts
	// /shop/cache starts
	// /shop/api starts
	// <nil>
}

func ExampleAtMost() {
	shop := supervisor.New(supervisor.Spec{
		Name:      "shop",
		Intensity: strategy.AtMost(2, time.Minute),
		Logger:    slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "feed", Run: func(ctx child.Context) error {
			fmt.Println("feed has been restarted", ctx.Restarts(), "times")
			if err := ctx.Ready(); err != nil {
				return err
			}
			return errors.New("no such host")
		}}},
	})
	fmt.Println(shop.Serve(context.Background()))
	// Output:
	// feed has been restarted 0 times
	// feed has been restarted 1 times
	// feed has been restarted 2 times
	// /shop: gave up: more than 2 restarts in 1m0s: /shop/feed: no such host
}

func ExampleUnlimited() {
	fmt.Println(strategy.Unlimited())
	// The zero Intensity is not unlimited.
	fmt.Println(strategy.Intensity{})
	// Output:
	// unlimited
	// 3 in 5s
}
