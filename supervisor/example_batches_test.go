package supervisor_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// What counts events need not know of each one at once. What reads the counts calls flush
// first.
func ExampleSupervisor_SubscribeBatches() {
	ctx := context.Background()
	shop := supervisor.New(supervisor.Spec{
		Name:   "shop",
		Logger: slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "db", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}}},
	})

	var mu sync.Mutex
	starts := map[string]int{}
	flush, cancel := shop.SubscribeBatches(time.Second, func(events []supervisor.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			starts[e.Path]++
		}
	}, supervisor.EventReady)
	defer cancel()

	if err := shop.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		fmt.Println(shop.RestartChild(ctx, "db"))
	}
	fmt.Println(flush(ctx))
	mu.Lock()
	fmt.Println(starts)
	mu.Unlock()
	fmt.Println(shop.Stop(ctx))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// map[/shop/db:3]
	// <nil>
}
