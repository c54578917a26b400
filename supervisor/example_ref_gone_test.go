package supervisor_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Ref.Get waits while a child may come back. Once the child is gone for good, Get returns
// child.ErrGone instead of waiting forever.
func Example_errGone() {
	ctx := context.Background()
	var address child.Ref[string]
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{
		Name: "listener",
		Run: func(ctx child.Context) error {
			address.Set(ctx, "127.0.0.1:8080")
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
	}}})
	fmt.Println(root.Start(ctx))
	fmt.Println(address.Get(ctx))

	fmt.Println(root.RemoveChild(ctx, "listener"))
	_, err := address.Get(ctx)
	fmt.Println(err, errors.Is(err, child.ErrGone))
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// 127.0.0.1:8080 <nil>
	// <nil>
	// /shop/listener: gone for good true
	// <nil>
}
