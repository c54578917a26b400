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

// The text of an event is one line.
func ExampleEvent_String() {
	ctx := context.Background()
	shop := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "feed", Backoff: child.Constant(time.Hour), Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			return errors.New("no such host")
		}}},
	})
	events := make(chan supervisor.Event, 100)
	defer shop.Subscribe(func(e supervisor.Event) { events <- e })()
	if err := shop.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for e := range events {
		fmt.Println(e)
		if e.Kind == supervisor.EventRestarting {
			break
		}
	}
	fmt.Println(shop.Stop(ctx))
	// Output:
	// starting /shop/feed
	// ready /shop/feed
	// up /shop
	// failed /shop/feed: no such host
	// restarting /shop/feed in 1h0m0s: no such host
	// <nil>
}
