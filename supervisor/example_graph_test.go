package supervisor_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A Graph supervisor restarts a child that fails together with those that need it, directly
// or through others. Here the cache fails, and the admin page does not need it.
func ExampleSpec_strategy_graph() {
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), child.ErrSibling) {
			fmt.Println("also restarted:", ctx.Path())
		}
		return nil
	}
	crash := make(chan error)
	cache := child.Plain(func(ctx context.Context) error {
		select {
		case err := <-crash:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	root := supervisor.New(supervisor.Spec{
		Strategy: strategy.Graph,
		Children: []child.Spec{
			{Name: "db", Run: run},
			{Name: "cache", Run: cache, Needs: []string{"db"}},
			{Name: "api", Run: run, Needs: []string{"cache"}},
			{Name: "edge", Run: run, Needs: []string{"api"}},
			{Name: "admin", Run: run, Needs: []string{"db"}},
		},
	})
	ctx := context.Background()
	fmt.Println(root.Start(ctx))
	ready := root.Watch(ctx, "edge", supervisor.EventReady)
	crash <- errors.New("out of memory")
	<-ready
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// also restarted: /root/edge
	// also restarted: /root/api
	// <nil>
}

// Needs names what a child cannot run without. The order of declaration does not matter.
// StopChild stops those that need the child first, and RestartChild starts what it needs
// first.
func Example_needs() {
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{
		Strategy: strategy.Graph,
		Children: []child.Spec{
			{Name: "api", Run: idle, Needs: []string{"db"}},
			{Name: "db", Run: idle},
		},
	})
	ctx := context.Background()
	events := root.Watch(ctx, "", supervisor.EventStarting, supervisor.EventStopping)
	next := func(n int) {
		for range n {
			e := <-events
			fmt.Println(e.Kind, e.Path)
		}
	}
	_ = root.Start(ctx)
	next(2)
	_ = root.StopChild(ctx, "db")
	next(2)
	_ = root.RestartChild(ctx, "api")
	next(2)
	fmt.Println(root.RemoveChild(ctx, "db"))
	_ = root.Stop(ctx)
	// Output:
	// starting /root/db
	// starting /root/api
	// stopping /root/api
	// stopping /root/db
	// starting /root/db
	// starting /root/api
	// /root/db: needed by another child: remove api first
}

// After orders the start and the stop of children that do not need each other. The API
// starts after the cache is warm, but it does not fail with the cache.
func Example_after() {
	warm, crash := make(chan struct{}), make(chan error)
	cache := func(ctx child.Context) error {
		<-warm
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case err := <-crash:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{
		Strategy: strategy.Graph,
		Children: []child.Spec{
			{Name: "api", Run: idle, After: []string{"cache"}},
			{Name: "cache", Run: cache},
		},
	})
	ctx := context.Background()
	events := root.Watch(ctx, "", supervisor.EventStarting, supervisor.EventReady, supervisor.EventStopping)
	next := func(n int) {
		for range n {
			e := <-events
			fmt.Println(e.Kind, e.Path)
		}
	}
	close(warm)
	_ = root.Start(ctx)
	next(4)
	crash <- errors.New("out of memory")
	next(2)
	_ = root.Stop(ctx)
	next(2)
	// Output:
	// starting /root/cache
	// ready /root/cache
	// starting /root/api
	// ready /root/api
	// starting /root/cache
	// ready /root/cache
	// stopping /root/api
	// stopping /root/cache
}
