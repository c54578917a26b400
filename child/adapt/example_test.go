package adapt_test

import (
	"context"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/adapt"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// This group behaves like one of oklog/run: the first actor to return ends all others, and
// its error is the error of the group.
func ExampleActor() {
	quit := make(chan struct{})
	first := adapt.Actor(
		func() error { return fmt.Errorf("the first returns") },
		func(error) {},
	)
	second := adapt.Actor(
		func() error { <-quit; return nil },
		func(err error) { fmt.Println("second is interrupted:", err); close(quit) },
	)
	group := supervisor.New(supervisor.Spec{
		Name:         "group",
		AutoShutdown: strategy.AnySignificant,
		Children: []child.Spec{
			{Name: "second", Run: second, Restart: child.Temporary, Significant: true},
			{Name: "first", Run: first, Restart: child.Temporary, Significant: true},
		},
	})
	fmt.Println(group.Serve(context.Background()))
	// Output:
	// second is interrupted: stopped
	// /group/first: the first returns
}

// With a new pair for each run, the actor can be restarted.
func ExampleActors() {
	runs, up := 0, make(chan int)
	worker := adapt.Actors(func() (func() error, func(error), error) {
		runs++
		run, quit := runs, make(chan struct{})
		execute := func() error {
			up <- run
			if run == 1 {
				return fmt.Errorf("run %d failed", run)
			}
			<-quit
			return nil
		}
		return execute, func(error) { close(quit) }, nil
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "worker", Run: worker}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Println(<-up, <-up)
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// 1 2
	// <nil>
}

// This group behaves like an errgroup: it ends when all functions have returned, or with
// the first error.
func ExampleFunc() {
	work := func(name string, err error) func() error {
		return func() error {
			fmt.Println(name)
			return err
		}
	}
	group := supervisor.New(supervisor.Spec{
		Name:         "group",
		AutoShutdown: strategy.AllSignificant,
		Intensity:    strategy.AtMost(0, time.Second), // give up on the first failure
		Children: []child.Spec{
			{Name: "one", Run: adapt.Func(work("one", nil)), Restart: child.Transient, Significant: true},
		},
	})
	fmt.Println(group.Serve(context.Background()))
	// Output:
	// one
	// <nil>
}
