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

func ExampleSupervisor_StartChild() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "db", Run: speak}}, Logger: quiet})
	_ = root.Start(ctx)

	// All of a call are up when it returns, or none is left behind.
	fmt.Println(root.StartChild(ctx, child.Spec{Name: "api", Run: speak}))
	fmt.Println(root.StartChild(ctx,
		child.Spec{Name: "a", Run: speak},
		child.Spec{Name: "b", Run: func(child.Context) error { return errors.New("no route") }}))
	err := root.StartChild(ctx, child.Spec{Name: "db", Run: speak})
	fmt.Println(err, errors.Is(err, supervisor.ErrDuplicate))

	_ = root.Stop(ctx)
	// Output:
	// /shop/db starts
	// /shop/api starts
	// <nil>
	// /shop/a starts
	// /shop/a stops
	// /shop/b: no route
	// /shop/db: name is taken true
	// /shop/api stops
	// /shop/db stops
}

// StartChild of a task waits for the work and returns its error.
func ExampleSupervisor_StartChild_task() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Name: "jobs", Strategy: strategy.Independent, Logger: quiet})
	_ = jobs.Start(ctx)
	err := jobs.StartChild(ctx, child.Spec{Name: "report", Restart: child.Temporary,
		Run: child.Task(func(ctx context.Context) error {
			fmt.Println("reporting")
			return errors.New("no data")
		})})
	fmt.Println(err)
	fmt.Println(jobs.Count().Specs, "jobs left")
	_ = jobs.Stop(ctx)
	// Output:
	// reporting
	// /jobs/report: no data
	// 0 jobs left
}

func ExampleSupervisor_StopChild() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "db", Run: speak}, {Name: "api", Run: speak}}})
	_ = root.Start(ctx)
	fmt.Println(root.StopChild(ctx, "api"))
	st, ok := root.Lookup("api")
	fmt.Println(st.State, ok) // its spec is kept
	fmt.Println(root.StopChild(ctx, "nobody"))
	_ = root.Stop(ctx)
	// Output:
	// /root/db starts
	// /root/api starts
	// /root/api stops
	// <nil>
	// stopped true
	// /root/nobody: no such child
	// /root/db stops
}

func ExampleSupervisor_RestartChild() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: speak}}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
	_ = root.Start(ctx)
	fmt.Println(root.RestartChild(ctx, "/shop/jobs/mail")) // or "jobs/mail"
	st, _ := root.Lookup("jobs/mail")
	fmt.Println(st.Restarts, "automatic restarts")
	_ = root.Stop(ctx)
	// Output:
	// /shop/jobs/mail starts
	// /shop/jobs/mail stops
	// /shop/jobs/mail starts
	// <nil>
	// 0 automatic restarts
	// /shop/jobs/mail stops
}

func ExampleSupervisor_RemoveChild() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: speak}, {Name: "b", Run: speak}}})
	_ = root.Start(ctx)
	fmt.Println(root.RemoveChild(ctx, "a", "b", "gone-already"))
	fmt.Println(root.Count().Specs)
	_ = root.Stop(ctx)
	// Output:
	// /root/a starts
	// /root/b starts
	// /root/a stops
	// /root/b stops
	// <nil>
	// 0
}

// While a supervisor is suspended nothing is started; what failed meanwhile
// starts with Resume.
func ExampleSupervisor_Suspend() {
	ctx := context.Background()
	c := make(chan error)
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "feed", Run: failsWith(c)}}, Logger: quiet})
	failed, ready := watch(root, supervisor.EventFailed), watch(root, supervisor.EventReady)
	_ = root.Start(ctx)
	<-ready

	root.Suspend()
	c <- errors.New("timeout")
	<-failed
	st, _ := root.Lookup("feed")
	fmt.Println(st.State)
	err := root.StartChild(ctx, child.Spec{Name: "api", Run: idle})
	fmt.Println(err, errors.Is(err, supervisor.ErrSuspended))

	root.Resume()
	<-ready
	st, _ = root.Lookup("feed")
	fmt.Println(st.State, st.Restarts)
	_ = root.Stop(ctx)
	// Output:
	// waiting
	// /root/api: suspended true
	// running 1
}

// A new spec for a running supervisor: what runs goes on.
func ExampleSupervisor_Upgrade() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "api", Run: speak}}})
	_ = root.Start(ctx)
	fmt.Println(root.Upgrade(supervisor.Spec{
		Strategy: strategy.OneForAll,
		Children: []child.Spec{{Name: "db", Run: speak}, {Name: "api", Run: speak, Restart: child.Transient, StopTimeout: time.Second}},
	}))
	fmt.Print(root.Tree())
	fmt.Println(root.RestartChild(ctx, "db")) // a new child is not started by itself
	_ = root.Stop(ctx)
	// Output:
	// /root/api starts
	// <nil>
	// root    running   one-for-all
	// ├─ db   stopped
	// └─ api  running   transient
	// /root/db starts
	// <nil>
	// /root/api stops
	// /root/db stops
}
