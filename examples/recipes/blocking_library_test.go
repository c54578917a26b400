package recipes_test

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// A device stands for a library that knows no context: Loop blocks until Close.
type device struct{ closed chan struct{} }

func open() (*device, error) { return &device{make(chan struct{})}, nil }

func (d *device) Loop() error { <-d.closed; return nil }

func (d *device) Close() { fmt.Println("closed"); close(d.closed) }

// A library that blocks is unblocked when the child is asked to stop. If Close must
// not be called twice, context.AfterFunc and its result see to that. Package adapt
// has the same for pairs of functions as oklog/run takes them.
func Example_blockingLibrary() {
	reader := func(ctx child.Context) error {
		dev, err := open() // once for each run
		if err != nil {
			return err
		}
		unhook := context.AfterFunc(ctx, dev.Close)
		defer func() {
			if unhook() { // not stopped: Loop ended by itself, or panicked
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
