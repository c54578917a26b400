package partition_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

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

// Each value has the end of its run, so that no send waits for a run that has ended. This one
// ends with each sum of zero, and its total is lost.
func ExampleOwners_For() {
	type sum struct {
		amount int
		total  chan int
	}
	type counter struct {
		in   chan sum
		done <-chan struct{} // closed when the run has ended
	}
	counters := partition.New(partition.Spec[counter]{
		N: 4,
		Child: func(i int, offer *child.Ref[counter]) child.Spec {
			return child.Spec{Name: fmt.Sprint("counter-", i), Run: func(ctx child.Context) error {
				c, total := counter{make(chan sum), ctx.Done()}, 0
				offer.Set(ctx, c)
				if err := ctx.Ready(); err != nil {
					return err
				}
				for {
					select {
					case s := <-c.in:
						if s.amount == 0 {
							return fmt.Errorf("nothing to add")
						}
						total += s.amount
						s.total <- total // it has room
					case <-ctx.Done():
						return nil
					}
				}
			}}
		},
		Supervisor: supervisor.Spec{Logger: slog.New(slog.DiscardHandler), Backoff: child.Constant(time.Millisecond)},
	})
	// add adds at most once: if the run ends after it has received, nobody knows how far it got.
	add := func(ctx context.Context, key string, amount int) (int, error) {
		for {
			c, err := counters.For(ctx, key)
			if err != nil {
				return 0, err
			}
			s := sum{amount, make(chan int, 1)}
			select {
			case c.in <- s:
			case <-c.done:
				continue // nobody has received it: the next run may
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
			select {
			case total := <-s.total:
				return total, nil
			case <-c.done:
				return 0, fmt.Errorf("the counter of %s has failed", key)
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
		}
	}
	ctx := context.Background()
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "counters", Run: counters.Run}}})
	fmt.Println(root.Start(ctx))
	fmt.Println(add(ctx, "ann", 3))
	fmt.Println(add(ctx, "ann", 4))
	fmt.Println(add(ctx, "ann", 0))
	fmt.Println(add(ctx, "ann", 5))
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// 3 <nil>
	// 7 <nil>
	// 0 the counter of ann has failed
	// 5 <nil>
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
