package recipes_test

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A config maps the name of a feed to its address.
type config map[string]string

// tree returns the spec of the program for a config. The Version of a child is what it
// depends on.
func tree(cfg config) supervisor.Spec {
	spec := supervisor.Spec{Name: "feeds"}
	for _, name := range []string{"eu", "us"} {
		addr := cfg[name]
		spec.Children = append(spec.Children, child.Spec{Name: name, Version: addr, Run: func(ctx child.Context) error {
			fmt.Println(name, "reads", addr)
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}})
	}
	return spec
}

// To load a new config, Apply restarts the children whose Version differs. The others keep
// running. A child that does not become ready gets its old spec back.
func Example_configReload() {
	ctx := context.Background()
	root := supervisor.New(tree(config{"eu": "a:1", "us": "b:1"}))
	_ = root.Start(ctx)
	reload := func(next config) { // on SIGHUP, or when the file changes
		changes, err := root.Apply(ctx, tree(next))
		fmt.Println(changes, err)
	}
	reload(config{"eu": "a:1", "us": "b:2"})
	fmt.Println(root.Stop(ctx))
	// Output:
	// eu reads a:1
	// us reads b:1
	// us reads b:2
	// ~ us   = 1 unchanged <nil>
	// <nil>
}
