package supervisor_test

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// With pprof labels, a profile shows which child a goroutine belongs to, also for
// goroutines that the child has started.
func ExampleSpec_aroundLabels() {
	labels := func(ctx child.Context, run func(child.Context) error) (err error) {
		pprof.Do(ctx, pprof.Labels("child", ctx.Path()), func(ctx context.Context) {
			err = run(child.FromContext(ctx))
		})
		return err
	}
	show := child.Task(func(ctx context.Context) error {
		path, _ := pprof.Label(ctx, "child")
		fmt.Println(path)
		return nil
	})
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "nightly", Run: show}}})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Around:   labels,
		Children: []child.Spec{{Name: "migrate", Run: show}, {Name: "jobs", Run: jobs.Run}},
	})
	_ = root.Start(context.Background())
	_ = root.Stop(context.Background())
	// Output:
	// /shop/migrate
	// /shop/jobs/nightly
}
