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

// The examples use three small helpers. idle is a Run that calls ctx.Ready and
// waits for ctx to end, quiet is a logger that writes nothing, and these:

// speak is idle, and prints when it comes and goes.
func speak(ctx child.Context) error {
	fmt.Println(ctx.Path(), "starts")
	defer fmt.Println(ctx.Path(), "stops")
	return idle(ctx)
}

// failsWith is a Run that is ready and fails with what it gets from c.
func failsWith(c <-chan error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-c:
			return err
		}
	}
}

// watch returns a channel of the events of one kind.
func watch(sup *supervisor.Supervisor, kind supervisor.EventKind) <-chan supervisor.Event {
	events := make(chan supervisor.Event, 100)
	sup.Subscribe(func(e supervisor.Event) { events <- e }, kind)
	return events
}

// A counter is a child: it sets up, says that it is ready, works until it is
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
	ctx, stop := context.WithCancel(context.Background())
	tick := make(chan time.Time)
	c := &counter{tick}
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{{Name: "counter", Run: c.Run}},
		Logger:   quiet, // not to have the failure on stderr
	})
	go func() {
		for range 3 { // the third is for the second life
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
	// New cannot fail: a fault of the spec is the error of the start.
	sup := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "db"}, {Name: "api/v1", Run: idle}},
	})
	fmt.Println(sup.Start(context.Background()))
	// Output:
	// /shop/db: Run: nil
	// /shop/api/v1: Name: has a slash: "api/v1"
}

func ExampleSupervisor_Serve() {
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Children: []child.Spec{{Name: "db", Run: speak}, {Name: "cache", Run: speak}, {Name: "api", Run: speak}},
	})
	// A program would use signal.NotifyContext. Here the end comes when all are up.
	ctx, stop := context.WithCancelCause(context.Background())
	up := watch(root, supervisor.EventReady)
	go func() {
		for range 3 {
			<-up
		}
		stop(errors.New("enough"))
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

func ExampleSupervisor_Start() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: speak},
		{Name: "api", Run: func(child.Context) error { return errors.New("port is taken") }},
	}, Logger: quiet})
	// Start returns when all are ready, or one cannot start: then nothing is left.
	fmt.Println(root.Start(context.Background()))
	// Output:
	// /root/db starts
	// /root/db stops
	// /root/api: port is taken
}

func ExampleSupervisor_Stop() {
	stuck := make(chan struct{})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: speak},
		{Name: "worker", StopTimeout: 10 * time.Millisecond, Run: child.Plain(func(context.Context) error {
			<-stuck // heeds no context
			return nil
		})},
	}, Logger: quiet})
	fmt.Println(root.Start(context.Background()))

	err := root.Stop(context.Background())
	var stop *supervisor.StopError
	if errors.As(err, &stop) {
		fmt.Println(stop.Left[0].Path, "was left behind; has a stack:", len(stop.Left[0].Stack) > 0)
	}
	close(stuck)
	// Output:
	// /root/db starts
	// <nil>
	// /root/db stops
	// /root/worker was left behind; has a stack: true
}

// A supervisor is a child like any other.
func ExampleSupervisor_Run() {
	jobs := supervisor.New(supervisor.Spec{
		Strategy: strategy.Independent,
		Children: []child.Spec{{Name: "mail", Run: idle}},
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "db", Run: idle},
		{Name: "jobs", Run: jobs.Run},
	}})
	fmt.Println(root.Start(context.Background()))
	fmt.Print(root.Tree())
	fmt.Println(jobs.Path(), jobs.Root() == root)
	fmt.Println(jobs.Stop(context.Background())) // only its parent stops it
	fmt.Println(root.Stop(context.Background()))
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

func ExampleFromContext() {
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{
		{Name: "acceptor", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			sup, _ := supervisor.FromContext(ctx) // the one that runs this child
			err := sup.StartChild(ctx, child.Spec{Name: "connection", Run: speak})
			<-ctx.Done()
			return err
		}},
	}})
	ready := watch(root, supervisor.EventReady)
	if err := root.Start(context.Background()); err != nil {
		fmt.Println(err)
	}
	<-ready // the acceptor
	<-ready // the connection
	fmt.Println(root.Stop(context.Background()))

	_, ok := supervisor.FromContext(context.Background())
	fmt.Println(ok)
	// Output:
	// /shop/connection starts
	// /shop/connection stops
	// <nil>
	// false
}
