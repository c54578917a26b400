package recipes_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/registry"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Each user has at most one session. A registry finds it by the user's name. The name is
// free again as soon as the session is asked to stop or ends.
func Example_sessionPerUser() {
	ctx := context.Background()
	var sessions registry.Registry[string, chan string]
	session := func(user string) child.Spec {
		return child.Spec{Name: child.UniqueName("session"), Restart: child.Temporary, Run: func(ctx child.Context) error {
			in := make(chan string)
			if err := sessions.Register(ctx, user, in); err != nil {
				return err
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			for {
				select {
				case text := <-in:
					fmt.Println(user, "gets", text)
				case <-ctx.Done():
					return nil
				}
			}
		}}
	}
	people := supervisor.New(supervisor.Spec{Name: "people", Strategy: strategy.Independent})
	_ = people.Start(ctx)
	fmt.Println(people.StartChild(ctx, session("ann")))
	fmt.Println(errors.Is(people.StartChild(ctx, session("ann")), registry.ErrTaken))
	in, err := sessions.Get(ctx, "ann")
	if err != nil {
		fmt.Println(err)
		return
	}
	in <- "hello"
	fmt.Println(people.Stop(ctx))
	_, found := sessions.Load("ann")
	fmt.Println(found)
	// Output:
	// <nil>
	// true
	// ann gets hello
	// <nil>
	// false
}
