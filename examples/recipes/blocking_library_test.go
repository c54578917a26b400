package recipes_test

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A device stands for a library without context support: Loop blocks until Close.
type device struct{ closed chan struct{} }

func open() (*device, error) { return &device{make(chan struct{})}, nil }

func (d *device) Loop() error { <-d.closed; return nil }

func (d *device) Close() { fmt.Println("closed"); close(d.closed) }

// To stop a library call that blocks, close what it blocks on when the child's context
// ends. The result of context.AfterFunc's stop function ensures that Close is called only
// once. Package adapt does the same for pairs of functions in the style of oklog/run.
func Example_blockingLibrary() {
	reader := func(ctx child.Context) error {
		dev, err := open() // once for each run
		if err != nil {
			return err
		}
		unhook := context.AfterFunc(ctx, dev.Close)
		defer func() {
			if unhook() { // not closed yet: Loop ended by itself, or panicked
				dev.Close()
			}
		}()
		if err := ctx.Ready(); err != nil {
			return err
		}
		return dev.Loop()
	}
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "reader", Run: reader}}})
	fmt.Println(root.Start(context.Background()))
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// <nil>
	// closed
	// <nil>
}
