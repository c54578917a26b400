package registry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/registry"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A session registers under the name of its user. The key is free again at the moment when
// the session is asked to stop.
func Example() {
	ctx := context.Background()
	var sessions registry.Registry[string, chan string]
	session := func(user string) child.Spec {
		return child.Spec{Name: child.UniqueName(user), Restart: child.Temporary, Run: func(ctx child.Context) error {
			inbox := make(chan string)
			if err := sessions.Register(ctx, user, inbox); err != nil {
				return err
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			for {
				select {
				case text := <-inbox:
					fmt.Println(user, "receives", text)
				case <-ctx.Done():
					return nil
				}
			}
		}}
	}
	root := supervisor.New(supervisor.Spec{Name: "chat", Strategy: strategy.Independent})
	_ = root.Start(ctx)
	fmt.Println(root.StartChild(ctx, session("ann")))
	err := root.StartChild(ctx, session("ann"))
	fmt.Println(errors.Is(err, registry.ErrTaken))
	if inbox, err := sessions.Get(ctx, "ann"); err == nil {
		inbox <- "hello"
	}
	fmt.Println(root.Stop(ctx))
	fmt.Println(sessions.Len(), "sessions")
	// Unordered output:
	// <nil>
	// true
	// ann receives hello
	// <nil>
	// 0 sessions
}

// A room has members, each until its run ends.
func ExampleGroups() {
	ctx := context.Background()
	var rooms registry.Groups[string, string]
	person := func(name string, in ...string) child.Spec {
		return child.Spec{Name: name, Run: func(ctx child.Context) error {
			for _, room := range in {
				if err := rooms.Join(ctx, room, name); err != nil {
					return err
				}
			}
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}}
	}
	root := supervisor.New(supervisor.Spec{
		Children: []child.Spec{person("ann", "lobby", "garden"), person("bob", "lobby")},
	})
	_ = root.Start(ctx)
	for name := range rooms.Members("lobby") {
		fmt.Println(name, "is in the lobby")
	}
	_ = root.StopChild(ctx, "ann")
	for name := range rooms.Members("lobby") {
		fmt.Println(name, "is still in the lobby")
	}
	_ = root.Stop(ctx)
	// Output:
	// ann is in the lobby
	// bob is in the lobby
	// bob is still in the lobby
}

// Watch begins with what is there, so a loop can keep a copy, such as a list of the users who are
// present.
func ExampleRegistry_Watch() {
	ctx := context.Background()
	var present registry.Registry[string, int]
	person := func(ctx child.Context) error {
		if err := present.Register(ctx, "ann", 1); err != nil {
			return err
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Name: "chat", Children: []child.Spec{{Name: "ann", Run: person}}})
	_ = root.Start(ctx)
	for c := range present.Watch(ctx) {
		if !c.Added {
			fmt.Println("-", c.Key)
			break
		}
		fmt.Println("+", c.Key, "of", c.Owner)
		_ = root.Stop(ctx)
	}
	// Output:
	// + ann of /chat/ann
	// - ann
}

// A run that continues without a key withdraws it.
func ExampleRegistry_Unregister() {
	ctx := context.Background()
	var files registry.Registry[string, string]
	rotated, done := make(chan struct{}), make(chan struct{})
	writer := func(ctx child.Context) error {
		if err := files.Register(ctx, "a.log", ctx.Path()); err != nil {
			return err
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-rotated
		files.Unregister(ctx, "a.log")
		close(done)
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "writer", Run: writer}}})
	_ = root.Start(ctx)
	fmt.Println(files.Load("a.log"))
	close(rotated)
	<-done
	_, ok := files.Load("a.log")
	fmt.Println(ok)
	_ = root.Stop(ctx)
	// Output:
	// /root/writer true
	// false
}

// A room can be left before the end of the run.
func ExampleGroups_Leave() {
	var rooms registry.Groups[string, string]
	ctx, cancel := context.WithCancel(context.Background())
	run := child.FromContext(ctx) // under a supervisor: the argument of Run
	_ = rooms.Join(run, "lobby", "ann")
	_ = rooms.Join(run, "garden", "ann")
	rooms.Leave(run, "lobby")
	fmt.Println(rooms.Len())
	cancel()
	fmt.Println(rooms.Len())
	// Output:
	// 1
	// 0
}
