package recipes_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A config maps the name of a feed to its address.
type config map[string]string

// tree returns the spec of the program for a config.
func tree(cfg config) supervisor.Spec {
	spec := supervisor.Spec{Name: "feeds"}
	for _, name := range []string{"eu", "us"} {
		addr := cfg[name]
		spec.Children = append(spec.Children, child.Spec{Name: name, Run: func(ctx child.Context) error {
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

// To load a new config, Upgrade replaces the specs, which apply from the next start of
// each child, and RestartChild restarts the children that changed. The others keep
// running.
func Example_configReload() {
	ctx := context.Background()
	cfg := config{"eu": "a:1", "us": "b:1"}
	root := supervisor.New(tree(cfg))
	_ = root.Start(ctx)
	reload := func(next config) error { // on SIGHUP, or when the file changes
		if err := root.Upgrade(tree(next)); err != nil {
			return err // an invalid spec changes nothing
		}
		var errs []error
		for name := range next {
			if next[name] != cfg[name] {
				errs = append(errs, root.RestartChild(ctx, name))
			}
		}
		cfg = next
		return errors.Join(errs...)
	}
	fmt.Println(reload(config{"eu": "a:1", "us": "b:2"}))
	fmt.Println(root.Stop(ctx))
	// Output:
	// eu reads a:1
	// us reads b:1
	// us reads b:2
	// <nil>
	// <nil>
}
