package partition_test

import (
	"context"
	"fmt"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/partition"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// Each counter is owned by one child, so it needs no lock.
func Example() {
	ctx := context.Background()
	type add struct {
		key   string
		total chan int
	}
	counters := partition.New(partition.Spec[chan add]{
		N: 4,
		Child: func(i int, offer *child.Ref[chan add]) child.Spec {
			return child.Spec{Name: fmt.Sprint("counter-", i), Run: func(ctx child.Context) error {
				in, totals := make(chan add), map[string]int{}
				offer.Set(ctx, in)
				if err := ctx.Ready(); err != nil {
					return err
				}
				for {
					select {
					case a := <-in:
						totals[a.key]++
						a.total <- totals[a.key]
					case <-ctx.Done():
						return nil
					}
				}
			}}
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "counters", Run: counters.Run}}})
	fmt.Println(root.Start(ctx))
	for _, key := range []string{"ann", "bob", "ann"} {
		in, err := counters.For(ctx, key)
		if err != nil {
			fmt.Println(err)
			return
		}
		a := add{key, make(chan int)}
		in <- a // a program also selects on ctx.Done: the counter may be about to stop
		fmt.Println(key, <-a.total)
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// ann 1
	// bob 1
	// ann 2
	// <nil>
}

// The children can be under any strategy. Here, one failure restarts all, because they share
// something that must be in step.
func ExampleSpec() {
	ctx := context.Background()
	fail := make(chan error)
	replicas := partition.New(partition.Spec[string]{
		N: 2,
		Child: func(i int, offer *child.Ref[string]) child.Spec {
			return child.Spec{Name: fmt.Sprint("replica-", i), Run: func(ctx child.Context) error {
				fmt.Println(ctx.Path(), "starts")
				offer.Set(ctx, ctx.Path())
				if err := ctx.Ready(); err != nil {
					return err
				}
				select {
				case err := <-fail:
					return err
				case <-ctx.Done():
					return nil
				}
			}}
		},
		Supervisor: supervisor.Spec{Strategy: strategy.OneForAll},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "replicas", Run: replicas.Run}}})
	ready := root.Watch(ctx, "replicas/replica-1", supervisor.EventReady)
	_ = root.Start(ctx)
	<-ready
	fail <- fmt.Errorf("out of step")
	<-ready
	_ = root.Stop(ctx)
	// Output:
	// /root/replicas/replica-0 starts
	// /root/replicas/replica-1 starts
	// /root/replicas/replica-0 starts
	// /root/replicas/replica-1 starts
}

// Resize moves only the keys that it must.
func ExampleOwners_Resize() {
	ctx := context.Background()
	owners := partition.New(partition.Spec[int]{
		N: 3,
		Child: func(i int, offer *child.Ref[int]) child.Spec {
			return child.Spec{Name: fmt.Sprint(i), Run: func(ctx child.Context) error {
				offer.Set(ctx, i)
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}}
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "owners", Run: owners.Run}}})
	_ = root.Start(ctx)
	before := map[string]int{}
	for i := range 1000 {
		key := fmt.Sprint("user-", i)
		before[key], _ = owners.For(ctx, key)
	}
	fmt.Println(owners.Resize(ctx, 4))
	elsewhere := 0
	for key, owner := range before {
		if now, _ := owners.For(ctx, key); now != owner && now != 3 {
			elsewhere++
		}
	}
	fmt.Println(owners.N(), "children;", elsewhere, "keys moved between the old ones")
	_ = root.Stop(ctx)
	// Output:
	// <nil>
	// 4 children; 0 keys moved between the old ones
}

// Index needs no running children. It is the same in every process and release.
func ExampleOwners_Index() {
	owners := partition.New(partition.Spec[int]{N: 8})
	for _, key := range []string{"ann", "bob", "eve"} {
		fmt.Println(key, owners.Index(key))
	}
	// Output:
	// ann 7
	// bob 6
	// eve 0
}

// All reaches every owner that is up, for example to flush them.
func ExampleOwners_All() {
	ctx := context.Background()
	owners := partition.New(partition.Spec[string]{
		N: 2,
		Child: func(i int, offer *child.Ref[string]) child.Spec {
			return child.Spec{Name: fmt.Sprint("writer-", i), Run: func(ctx child.Context) error {
				offer.Set(ctx, ctx.Path())
				if err := ctx.Ready(); err != nil {
					return err
				}
				<-ctx.Done()
				return nil
			}}
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "owners", Run: owners.Run}}})
	_ = root.Start(ctx)
	for i, path := range owners.All() {
		fmt.Println(i, path)
	}
	_ = root.Stop(ctx)
	// Output:
	// 0 /root/owners/writer-0
	// 1 /root/owners/writer-1
}
