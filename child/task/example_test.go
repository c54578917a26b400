package task_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/task"
	"github.com/coppice-go/coppice/supervisor"
)

// A pool is a child. What runs in it ends with it.
func Example() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 4})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "fetches", Run: pool.Run}}})
	_ = root.Start(ctx)
	fetch := func(ctx context.Context, url string) (int, error) { return len(url), nil }
	for r := range task.Map(ctx, pool, slices.Values([]string{"a", "bbb", "cc"}), fetch) { // in order
		fmt.Println(r.In, r.Out, r.Err)
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// a 1 <nil>
	// bbb 3 <nil>
	// cc 2 <nil>
	// <nil>
}

// Go starts a task, and Wait returns its result.
func ExampleGo() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 2})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	_ = root.Start(ctx)
	price := task.Go(ctx, pool, "price", func(ctx context.Context) (int, error) { return 42, nil })
	stock := task.Go(ctx, pool, "stock", func(ctx context.Context) (int, error) { panic("no such shelf") })
	fmt.Println(price.Wait(ctx))
	fmt.Println(stock.Wait(ctx))
	_ = root.Stop(ctx)
	// Output:
	// 42 <nil>
	// 0 /root/pool/stock: panic: no such shelf
}

// The end of the loop stops what still runs, and waits for it.
func ExampleMap_break() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 3})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	_ = root.Start(ctx)
	naturals := func(yield func(int) bool) { // without end: values are taken as they are needed
		for i := 0; yield(i); i++ {
		}
	}
	check := func(ctx context.Context, i int) (bool, error) { return i*i > 50, ctx.Err() }
	for r := range task.Map(ctx, pool, naturals, check) {
		if r.Out {
			fmt.Println("the first one is", r.In)
			break
		}
	}
	fmt.Println(pool.State().Running, "running")
	_ = root.Stop(ctx)
	// Output:
	// the first one is 8
	// 0 running
}

// Each returns the first error, after it has stopped the others.
func ExampleEach() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 2})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	_ = root.Start(ctx)
	err := task.Each(ctx, pool, slices.Values([]string{"a", "", "b"}), func(ctx context.Context, name string) error {
		if name == "" {
			return errors.New("empty name")
		}
		<-ctx.Done() // it would take long
		fmt.Println("stopped:", context.Cause(ctx))
		return nil
	})
	fmt.Println(err)
	_ = root.Stop(ctx)
	// Output:
	// stopped: empty name
	// empty name
}

// Each task has a time limit, which begins when it runs.
func ExampleSpec() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 1, Timeout: 10 * time.Millisecond})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	_ = root.Start(ctx)
	slow := task.Go(ctx, pool, "slow", func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	_, err := slow.Wait(ctx)
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))
	_ = root.Stop(ctx)
	// Output:
	// timed out after 10ms true
}

// A task may use its own pool: while it waits it does not count, so even one slot is enough.
func Example_nested() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 1})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "pool", Run: pool.Run}}})
	_ = root.Start(ctx)
	var size func(ctx context.Context, depth int) (int, error)
	size = func(ctx context.Context, depth int) (int, error) {
		if depth == 0 {
			return 1, nil
		}
		sum := 0
		for r := range task.Map(ctx, pool, slices.Values([]int{depth - 1, depth - 1}), size) {
			if r.Err != nil {
				return 0, r.Err
			}
			sum += r.Out
		}
		return sum, nil
	}
	fmt.Println(size(ctx, 5))
	_ = root.Stop(ctx)
	// Output:
	// 32 <nil>
}
