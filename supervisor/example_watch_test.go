package supervisor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func ExampleSupervisor_Tree() {
	ctx := context.Background()
	c := make(chan error)
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne,
		Logger:   quiet,
		Children: []child.Spec{
			{Name: "db", Run: idle},
			{Name: "jobs", Run: jobs.Run},
			{Name: "feed", Run: failsWith(c)},
		},
	})
	_ = root.Start(ctx)
	for i := range 25 {
		_ = jobs.StartChild(ctx, child.Spec{Name: fmt.Sprintf("job-%02d", i), Run: idle, Restart: child.Temporary})
	}
	again := watch(root, supervisor.EventReady)
	c <- errors.New("connection refused")
	<-again
	fmt.Print(root.Tree())
	_ = root.Stop(ctx)
	// Output:
	// shop             running   rest-for-one
	// ├─ db            running
	// ├─ jobs          running   independent
	// │  ├─ job-00     running   temporary
	// │  ├─ job-01     running   temporary
	// │  ├─ job-02     running   temporary
	// │  └─ … 22 more  running   temporary
	// └─ feed          running   1 restart, last: connection refused, just now
}

func ExampleTree_All() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: idle}}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "jobs", Run: jobs.Run}, {Name: "api", Run: idle},
	}})
	_ = root.Start(ctx)
	for st := range root.Tree().All() {
		fmt.Println(st.Path, st.State, st.Restarts)
	}
	_ = root.Stop(ctx)
	// Output:
	// /shop running 0
	// /shop/jobs running 0
	// /shop/jobs/mail running 0
	// /shop/api running 0
}

func ExampleTree_MarshalJSON() {
	text, _ := json.Marshal(supervisor.New(supervisor.Spec{Name: "shop"}).Tree())
	fmt.Println(string(text))
	// Output: {"v":1,"name":"shop","path":"/shop","state":"stopped","since":"0001-01-01T00:00:00Z","restarts":0,"restart":"permanent","supervisor":true,"strategy":"one-for-one","children":[]}
}

// Health is for a readiness probe: nil, or a line for each child that is not ready.
func ExampleSupervisor_Health() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errors.New("no route to host")) // and Ready again when it is back
			<-ctx.Done()
			return nil
		}},
		{Name: "cache", Run: idle},
		{Name: "api", Run: idle},
	}, Logger: quiet})
	away := watch(root, supervisor.EventUnready)
	_ = root.Start(ctx)
	<-away
	_ = root.StopChild(ctx, "cache")
	fmt.Println(root.Health())
	_ = root.Stop(ctx)
	fmt.Println(root.Health())
	// Output:
	// /shop/db: not ready: no route to host
	// /shop/cache: not ready: stopped
	// /shop: not running
}

func ExampleSupervisor_Subscribe() {
	jobs := supervisor.New(supervisor.Spec{Backoff: child.Constant(time.Millisecond).Retries(1), Children: []child.Spec{
		{Name: "mail", Run: child.Plain(func(context.Context) error { return errors.New("no relay") })},
	}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Logger: quiet, Intensity: strategy.AtMost(0, time.Minute),
		Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})

	told := make(chan struct{})
	cancel := root.Subscribe(func(e supervisor.Event) {
		fmt.Println(e.Kind, e.Path, e.Delay)
		if e.Kind == supervisor.EventGaveUp && e.Path == root.Path() {
			close(told)
		}
	}, supervisor.EventFailed, supervisor.EventRestarting, supervisor.EventGaveUp)
	defer cancel()

	fmt.Println(errors.Is(root.Serve(context.Background()), child.ErrShutdown))
	<-told // the last events may come after the return of Serve
	// Unordered output:
	// failed /shop/jobs/mail 0s
	// restarting /shop/jobs/mail 1ms
	// failed /shop/jobs/mail 0s
	// gave-up /shop/jobs 0s
	// failed /shop/jobs 0s
	// gave-up /shop 0s
	// true
}

func ExampleSupervisor_Children() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: idle}, {Name: "cache", Run: idle}, {Name: "api", Run: idle},
	}})
	_ = root.Start(ctx)
	_ = root.StopChild(ctx, "cache")
	for _, st := range root.Children(child.Running) {
		fmt.Println(st.Name, st.State)
	}
	fmt.Printf("%+v\n", root.Count())
	_ = root.Stop(ctx)
	// Output:
	// db running
	// api running
	// {Specs:3 Active:2 Supervisors:0 Workers:3}
}

func ExampleSupervisor_Lookup() {
	ctx := context.Background()
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: idle}}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "jobs", Run: jobs.Run}}})
	_ = root.Start(ctx)
	for _, path := range []string{"jobs", "jobs/mail", "/shop/jobs/mail", "mail"} {
		st, ok := root.Lookup(path)
		fmt.Println(ok, st.Path)
	}
	_ = root.Stop(ctx)
	// Output:
	// true /shop/jobs
	// true /shop/jobs/mail
	// true /shop/jobs/mail
	// false
}
