package recipes_test

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

// A pool runs work with results: at most Limit at a time, over all callers. Results come in
// the order of the inputs. A loop that ends early stops what still runs. The end of the pool
// ends all.
func Example_results() {
	ctx := context.Background()
	pool := task.New(task.Spec{Limit: 4, Timeout: 10 * time.Second})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "fetches", Run: pool.Run}}})
	_ = root.Start(ctx)
	size := func(ctx context.Context, page string) (int, error) {
		if page == "" {
			return 0, errors.New("no name")
		}
		return len(page), nil
	}
	for r := range task.Map(ctx, pool, slices.Values([]string{"home", "prices", "", "never read"}), size) {
		if r.Err != nil {
			fmt.Println(r.Err)
			break
		}
		fmt.Println(r.In, r.Out)
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// home 4
	// prices 6
	// no name
	// <nil>
}
