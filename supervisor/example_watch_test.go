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
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	feed := child.Plain(func(ctx context.Context) error {
		if child.FromContext(ctx).Restarts() == 0 {
			return errors.New("connection refused")
		}
		<-ctx.Done()
		return nil
	})
	jobs := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Strategy: strategy.RestForOne,
		Children: []child.Spec{
			{Name: "db", Run: idle},
			{Name: "jobs", Run: jobs.Run},
			{Name: "feed", Run: feed},
		},
	})
	ready := root.Watch(ctx, "feed", supervisor.EventReady)
	_ = root.Start(ctx)
	for i := range 25 {
		_ = jobs.StartChild(ctx, child.Spec{Name: fmt.Sprintf("job-%02d", i), Run: idle, Restart: child.Temporary})
	}
	<-ready
	<-ready // after its restart
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

// All iterates over a tree from the root down, in declared order.
func ExampleTree_All() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: idle}}})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "jobs", Run: jobs.Run}, {Name: "api", Run: idle}},
	})
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

// Health is for a readiness probe. It returns nil, or an error with a line for each child
// that is not ready.
func ExampleSupervisor_Health() {
	ctx := context.Background()
	db := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		ctx.Unready(errors.New("no route to host")) // and Ready again when it is back
		<-ctx.Done()
		return nil
	}
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "db", Run: db}, {Name: "cache", Run: idle}, {Name: "api", Run: idle}},
	})
	unready := root.Watch(ctx, "db", supervisor.EventUnready)
	_ = root.Start(ctx)
	<-unready
	_ = root.StopChild(ctx, "cache")
	fmt.Println(root.Health())
	_ = root.Stop(ctx)
	fmt.Println(root.Health())
	// Output:
	// /shop/db: not ready: no route to host
	// /shop/cache: not ready: stopped
	// /shop: not running
}

// A subscriber receives the events of the whole subtree, in order.
func ExampleSupervisor_Subscribe() {
	mail := child.Plain(func(context.Context) error { return errors.New("no relay") })
	jobs := supervisor.New(supervisor.Spec{
		Backoff:  child.Constant(time.Millisecond).Retries(1),
		Children: []child.Spec{{Name: "mail", Run: mail}},
	})
	root := supervisor.New(supervisor.Spec{
		Name:      "shop",
		Intensity: strategy.AtMost(0, time.Minute),
		Children:  []child.Spec{{Name: "jobs", Run: jobs.Run}},
	})
	cancel := root.Subscribe(func(e supervisor.Event) {
		fmt.Println(e.Kind, e.Path, e.Delay)
	}, supervisor.EventFailed, supervisor.EventRestarting, supervisor.EventGaveUp)
	defer cancel()

	err := root.Serve(context.Background())
	fmt.Println(errors.Is(err, child.ErrShutdown))
	// Output:
	// failed /shop/jobs/mail 0s
	// restarting /shop/jobs/mail 1ms
	// failed /shop/jobs/mail 0s
	// gave-up /shop/jobs 0s
	// failed /shop/jobs 0s
	// gave-up /shop 0s
	// true
}

// Watch returns a channel of the events of one child, or of a part of the tree.
func ExampleSupervisor_Watch() {
	ctx, cancel := context.WithCancel(context.Background())
	feed := child.Plain(func(ctx context.Context) error {
		if child.FromContext(ctx).Restarts() == 0 {
			return errors.New("timeout")
		}
		<-ctx.Done()
		return nil
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "feed", Run: feed}}})
	failures := root.Watch(ctx, "feed", supervisor.EventFailed)
	_ = root.Start(ctx)
	e := <-failures
	fmt.Println(e.Path, e.Kind, e.Err)
	cancel() // ends the watch
	_, open := <-failures
	fmt.Println(open)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// /shop/feed failed timeout
	// false
	// <nil>
}

// Children returns the children of one supervisor: all, or those in given states.
func ExampleSupervisor_Children() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
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

// AppendChildren is Children for polling: it reuses the caller's buffer, so the second
// call allocates nothing.
func ExampleSupervisor_AppendChildren() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: idle}, {Name: "cache", Run: idle}, {Name: "api", Run: idle},
	}})
	_ = root.Start(ctx)
	var buf []child.Status
	for range 2 {
		buf = root.AppendChildren(buf[:0], 10, child.Starting, child.Running)
		fmt.Println(len(buf), buf[0].Path, buf[0].State)
		_ = root.StopChild(ctx, "db")
	}
	_ = root.Stop(ctx)
	// Output:
	// 3 /root/db running
	// 2 /root/cache running
}

// A path is a name, a path from this supervisor, or a full one.
func ExampleSupervisor_Lookup() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
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
