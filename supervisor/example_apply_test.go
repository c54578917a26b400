package supervisor_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A feed is a part of a configuration.
type aFeed struct{ Name, URL string }

func (f aFeed) Run(ctx child.Context) error {
	if f.URL == "" {
		return errors.New("no URL")
	}
	fmt.Println(f.Name, "reads", f.URL)
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// A changed configuration restarts what it concerns, and nothing else. The Version of a child
// says whether it is concerned. A feed that does not start keeps its old URL.
func ExampleSupervisor_Apply() {
	feedSpecs := func(feeds ...aFeed) (specs []child.Spec) {
		for _, f := range feeds {
			specs = append(specs, child.Spec{Name: f.Name, Run: f.Run, Version: f.URL})
		}
		return specs
	}
	ctx := context.Background()
	feeds := supervisor.New(supervisor.Spec{
		Name:     "feeds",
		Children: feedSpecs(aFeed{"eu", "eu.example/1"}, aFeed{"us", "us.example/1"}, aFeed{"asia", "asia.example/1"}),
	})
	if err := feeds.Start(ctx); err != nil {
		fmt.Println(err)
	}

	want := feeds.Spec() // the settings stay as they are
	want.Children = feedSpecs(aFeed{"eu", "eu.example/1"}, aFeed{"us", "us.example/2"}, aFeed{"africa", "africa.example/1"})
	plan, _ := feeds.Plan(want)
	fmt.Println("plan:", plan)
	changes, err := feeds.Apply(ctx, want)
	fmt.Println("done:", changes, err)

	want.Children[0].Version, want.Children[0].Run = "2", aFeed{Name: "eu"}.Run
	changes, err = feeds.Apply(ctx, want)
	fmt.Println("done:", changes)
	fmt.Println(err)
	_ = feeds.Stop(ctx)
	// Output:
	// eu reads eu.example/1
	// us reads us.example/1
	// asia reads asia.example/1
	// plan: + africa   ~ us   - asia   = 1 unchanged
	// us reads us.example/2
	// africa reads africa.example/1
	// done: + africa   ~ us   - asia   = 1 unchanged <nil>
	// eu reads eu.example/1
	// done: = 3 unchanged
	// /feeds/eu: not ready with its new spec: no URL; it runs with its old one again
}
