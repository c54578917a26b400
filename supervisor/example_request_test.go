package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// StartChild returns when all children of the call are ready. If one cannot start,
// those of the same call that had started are stopped and removed.
func ExampleSupervisor_StartChild() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	broken := func(child.Context) error { return errors.New("no route") }
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: idle}}})
	_ = root.Start(ctx)

	fmt.Println(root.StartChild(ctx, child.Spec{Name: "api", Run: idle}))
	fmt.Println(root.StartChild(ctx, child.Spec{Name: "a", Run: idle}, child.Spec{Name: "b", Run: broken}))
	err := root.StartChild(ctx, child.Spec{Name: "db", Run: idle})
	fmt.Println(err, errors.Is(err, supervisor.ErrDuplicate))
	fmt.Print(root.Tree())
	_ = root.Stop(ctx)
	// Output:
	// <nil>
	// /shop/b: no route
	// /shop/db: name already in use true
	// shop    running   one-for-one
	// ├─ db   running
	// └─ api  running
}

// StartChild of a task waits for the work and returns its error.
func ExampleSupervisor_StartChild_task() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Name: "jobs", Strategy: strategy.Independent})
	_ = jobs.Start(ctx)
	err := jobs.StartChild(ctx, child.Spec{
		Name:    "report",
		Restart: child.Temporary,
		Run: child.Task(func(ctx context.Context) error {
			fmt.Println("reporting")
			return errors.New("no data")
		}),
	})
	fmt.Println(err)
	fmt.Println(jobs.Count().Specs, "jobs left")
	_ = jobs.Stop(ctx)
	// Output:
	// reporting
	// /jobs/report: no data
	// 0 jobs left
}

// A child that was stopped keeps its spec: RestartChild starts it again.
func ExampleSupervisor_StopChild() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: idle}, {Name: "api", Run: idle}}})
	_ = root.Start(ctx)
	fmt.Println(root.StopChild(ctx, "api"))
	fmt.Print(root.Tree())
	err := root.StopChild(ctx, "nobody")
	fmt.Println(err, errors.Is(err, supervisor.ErrNotFound))
	_ = root.Stop(ctx)
	// Output:
	// <nil>
	// root    running   one-for-one
	// ├─ db   running
	// └─ api  stopped
	// /root/nobody: no such child true
}

// RestartChild stops a child and returns when its next run is ready.
func ExampleSupervisor_RestartChild() {
	ctx := context.Background()
	mail := func(ctx child.Context) error {
		fmt.Println("reads its configuration")
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: mail}}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
	_ = root.Start(ctx)
	fmt.Println(root.RestartChild(ctx, "/shop/jobs/mail")) // or "jobs/mail"
	st, _ := root.Lookup("jobs/mail")
	fmt.Println(st.State, st.Restarts) // counts automatic restarts only
	_ = root.Stop(ctx)
	// Output:
	// reads its configuration
	// reads its configuration
	// <nil>
	// running 0
}

// RemoveChild stops children and removes their specs. Removing a child that does not
// exist is not an error.
func ExampleSupervisor_RemoveChild() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}, {Name: "b", Run: idle}}})
	_ = root.Start(ctx)
	fmt.Println(root.RemoveChild(ctx, "a", "b", "gone-already"))
	fmt.Println(root.Count().Specs)
	_ = root.Stop(ctx)
	// Output:
	// <nil>
	// 0
}

// A suspended supervisor starts nothing. A child that fails meanwhile is restarted
// by Resume.
func ExampleSupervisor_Suspend() {
	ctx := context.Background()
	crash := make(chan error)
	feed := child.Plain(func(ctx context.Context) error {
		select {
		case err := <-crash:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "feed", Run: feed}}})
	_ = root.Start(ctx)
	events := root.Watch(ctx, "feed", supervisor.EventFailed, supervisor.EventReady)

	root.Suspend(context.Background())
	crash <- errors.New("timeout")
	fmt.Println((<-events).Kind)
	st, _ := root.Lookup("feed")
	fmt.Println(st.State)
	err := root.StartChild(ctx, child.Spec{Name: "api", Run: feed})
	fmt.Println(err, errors.Is(err, supervisor.ErrSuspended))

	root.Resume(context.Background())
	fmt.Println((<-events).Kind)
	_ = root.Stop(ctx)
	// Output:
	// failed
	// waiting
	// /root/api: suspended true
	// ready
}

// Upgrade gives a running supervisor a new spec. Running children keep running.
func ExampleSupervisor_Upgrade() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "api", Run: idle}}})
	_ = root.Start(ctx)
	fmt.Println(root.Upgrade(supervisor.Spec{
		Strategy: strategy.OneForAll,
		Children: []child.Spec{
			{Name: "db", Run: idle},
			{Name: "api", Run: idle, Restart: child.Transient, StopTimeout: time.Second},
		},
	}))
	fmt.Print(root.Tree())
	fmt.Println(root.RestartChild(ctx, "db")) // a new child is not started by itself
	fmt.Println(root.Health())
	_ = root.Stop(ctx)
	// Output:
	// <nil>
	// root    running   one-for-all
	// ├─ db   stopped
	// └─ api  running   transient
	// <nil>
	// <nil>
}
