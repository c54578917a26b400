package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A counter is a child: it sets up, reports that it is ready, works until it is
// asked to stop, cleans up and returns.
type counter struct{ tick <-chan time.Time }

func (c *counter) Run(ctx child.Context) error {
	fmt.Println("set up")
	defer fmt.Println("cleaned up")
	if err := ctx.Ready(); err != nil {
		return err
	}
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-c.tick:
			fmt.Println("tick", n)
			if n == 2 {
				return errors.New("cannot count to three")
			}
		}
	}
}

func Example() {
	ctx, stop := context.WithCancel(context.Background()) // a program uses signal.NotifyContext
	tick := make(chan time.Time)
	c := &counter{tick}
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{{Name: "counter", Run: c.Run}},
	})
	go func() {
		for range 3 { // the third tick reaches the run after the restart
			tick <- time.Now()
		}
		stop()
	}()
	fmt.Println(root.Serve(ctx))
	// Output:
	// set up
	// tick 1
	// tick 2
	// cleaned up
	// set up
	// tick 1
	// cleaned up
	// <nil>
}

func ExampleNew() {
	// New cannot fail: the start returns the problems of the spec.
	run := func(child.Context) error { return nil }
	sup := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "db"}, {Name: "api/v1", Run: run}},
	})
	fmt.Println(sup.Start(context.Background()))
	// Output:
	// /shop/db: Run: nil
	// /shop/api/v1: Name: has a slash: "api/v1"
}

// speak is a child that prints when it starts and stops.
func speak(ctx child.Context) error {
	fmt.Println(ctx.Path(), "starts")
	defer fmt.Println(ctx.Path(), "stops")
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func ExampleSupervisor_Serve() {
	ctx, stop := context.WithCancel(context.Background()) // a program uses signal.NotifyContext
	root := supervisor.New(supervisor.Spec{
		Name: "shop",
		Children: []child.Spec{
			{Name: "db", Run: speak},
			{Name: "cache", Run: speak},
			{Name: "api", Run: speak},
		},
	})
	events := root.Watch(context.Background(), "api", supervisor.EventReady)
	go func() {
		<-events // all are up
		stop()
	}()
	fmt.Println(root.Serve(ctx))
	// Output:
	// /shop/db starts
	// /shop/cache starts
	// /shop/api starts
	// /shop/api stops
	// /shop/cache stops
	// /shop/db stops
	// <nil>
}

// Start returns when all children are ready. If one cannot start, those that had started
// are stopped, and Start returns the error.
func ExampleSupervisor_Start() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: speak},
		{Name: "api", Run: func(child.Context) error { return errors.New("port is taken") }},
	}})
	fmt.Println(root.Start(context.Background()))
	// Output:
	// /root/db starts
	// /root/db stops
	// /root/api: port is taken
}

// The error of a stop names the runs that did not return in time.
func ExampleSupervisor_Stop() {
	stuck := make(chan struct{})
	defer close(stuck)
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: speak},
		{Name: "worker", StopTimeout: 10 * time.Millisecond, Run: child.Plain(func(context.Context) error {
			<-stuck // ignores its context
			return nil
		})},
	}})
	_ = root.Start(context.Background())
	err := root.Stop(context.Background())
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		fmt.Println(stop.Abandoned[0].Path, "did not return; has a stack:", len(stop.Abandoned[0].Stack) > 0)
	}
	// Output:
	// /root/db starts
	// /root/db stops
	// /root/worker did not return; has a stack: true
}

// StopError.Unclean has the errors that runs returned while they were being stopped.
func ExampleStopError() {
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{
		Logger: slog.New(slog.DiscardHandler), // it would get the error too
		Children: []child.Spec{
			{Name: "journal", Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				return errors.New("flush: 1,708 rows not written")
			})},
			{Name: "api", Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				return ctx.Err() // only says that it was stopped, so it is not reported
			})},
		},
	})
	fmt.Println(root.Start(ctx))
	err := root.Stop(ctx)
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		fmt.Println(len(stop.Abandoned), len(stop.Unclean))
		fmt.Println(stop.Unclean[0].Path, "returned:", stop.Unclean[0].Err)
	}
	// Output:
	// <nil>
	// 0 1
	// /root/journal returned: flush: 1,708 rows not written
}

// A supervisor is a child like any other.
func ExampleSupervisor_Run() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	jobs := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent,
		Children: []child.Spec{{Name: "mail", Run: idle}},
	})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "db", Run: idle}, {Name: "jobs", Run: jobs.Run}},
	})
	fmt.Println(root.Start(ctx))
	fmt.Print(root.Tree())
	fmt.Println(jobs.Path(), jobs.Root() == root)
	fmt.Println(jobs.Stop(ctx)) // only its parent stops it
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// shop        running   one-for-one
	// ├─ db       running
	// └─ jobs     running   independent
	//    └─ mail  running
	// /shop/jobs true
	// /shop/jobs: runs under another supervisor
	// <nil>
}

// A child finds the supervisor that runs it, and adds a sibling.
func ExampleFromContext() {
	started := make(chan error)
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "acceptor", Run: child.Plain(func(ctx context.Context) error {
			sup, _ := supervisor.FromContext(ctx)
			started <- sup.StartChild(ctx, child.Spec{Name: "connection", Run: speak})
			<-ctx.Done()
			return nil
		})},
	}})
	_ = root.Start(context.Background())
	fmt.Println(<-started)
	_ = root.Stop(context.Background())

	_, ok := supervisor.FromContext(context.Background())
	fmt.Println(ok)
	// Output:
	// /shop/connection starts
	// <nil>
	// /shop/connection stops
	// false
}
