package gate_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// Sixteen feeds, each read by one process. There is one process here, so it reads all.
func ExampleNewShards() {
	ctx := context.Background()
	started := make(chan string, 16)
	feed := func(i int) func(child.Context) error {
		return func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			token, _ := gate.Token(ctx) // for each write
			started <- fmt.Sprintf("feed %d, fenced: %v", i, token > 0)
			<-ctx.Done()
			return nil
		}
	}
	feeds := gate.NewShards(gate.ShardsSpec{
		Name:    "/shop/feeds",
		N:       16,
		Elector: gate.Alone(), // for many processes: sqlgate or etcdgate
		Run:     feed,
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
	fmt.Println(root.Start(ctx))
	for range 16 {
		s := <-started
		if s[:7] == "feed 3," {
			fmt.Println(s)
		}
	}
	fmt.Println(feeds.Held())
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// feed 3, fenced: true
	// [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15]
	// <nil>
}

// A key belongs to one shard, and so to one process at a time.
func ExampleShardsSpec_n() {
	shardOf := func(customer int) int { return customer % 4 } // of N shards: the same in all processes
	bills := make(chan string)
	queues := [4]chan int{make(chan int), make(chan int), make(chan int), make(chan int)}
	billing := gate.NewShards(gate.ShardsSpec{
		Name:    "/shop/billing",
		N:       4,
		Elector: gate.Alone(),
		Run: func(shard int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				for {
					select {
					case customer := <-queues[shard]:
						bills <- fmt.Sprintf("customer %d is billed by %s", customer, ctx.Path())
					case <-ctx.Done():
						return nil
					}
				}
			}
		},
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "billing", Run: billing.Run}}})
	_ = root.Start(context.Background())
	queues[shardOf(42)] <- 42
	fmt.Println(<-bills)
	_ = root.Stop(context.Background())
	// Output:
	// customer 42 is billed by /shop/billing/shards/2
}

// A process with another number of shards waits until the others have gone.
func ExampleShardsSpec_layout() {
	ctx := context.Background()
	leases := gate.Alone()
	texts := make(chan string, 100)
	process := func(name string, n, layout int) *supervisor.Supervisor {
		running := make(chan bool, n)
		feeds := gate.NewShards(gate.ShardsSpec{Name: "/shop/feeds", N: n, Layout: layout, Elector: leases,
			Run: func(int) func(child.Context) error {
				return func(ctx child.Context) error {
					if err := ctx.Ready(); err != nil {
						return err
					}
					running <- true
					<-ctx.Done()
					return nil
				}
			}})
		root := supervisor.New(supervisor.Spec{Name: name, Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
		root.Subscribe(func(e supervisor.Event) { texts <- e.Text }, supervisor.EventStatus)
		_ = root.Start(ctx)
		if name == "old" {
			for range n {
				<-running
			}
		}
		return root
	}
	await := func(want string) {
		for text := range texts {
			if text == want {
				fmt.Println(text)
				return
			}
		}
	}
	old := process("old", 64, 1)
	await("64 of 64 shards, 1 member")
	next := process("next", 128, 1)
	await("standby, until the members with 64 shards, layout 1 have gone; this one has 128 shards, layout 1")
	_ = old.Stop(ctx)
	await("128 of 128 shards, 1 member")
	_ = next.Stop(ctx)
	// Output:
	// 64 of 64 shards, 1 member
	// standby, until the members with 64 shards, layout 1 have gone; this one has 128 shards, layout 1
	// 128 of 128 shards, 1 member
}

// An engine that cannot hold shards is an error of the first start.
func ExampleShardsSpec_elector() {
	feeds := gate.NewShards(gate.ShardsSpec{
		Name:    "/shop/feeds",
		N:       16,
		Elector: gate.Flag(time.Second, func(context.Context) (bool, error) { return true, nil }),
		Run:     func(int) func(child.Context) error { return child.Plain(func(context.Context) error { return nil }) },
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
	fmt.Println(root.Start(context.Background()))
	// Output:
	// /shop/feeds: /shop/feeds: Elector: *gate.flag is no gate.Sharder, so it cannot hold shards; use Alone, sqlgate or etcdgate
}

// A shard that fails is restarted after a delay. The others go on.
func ExampleShardsSpec_backoff() {
	runs := make(chan int, 10)
	feeds := gate.NewShards(gate.ShardsSpec{
		Name:    "/shop/feeds",
		N:       2,
		Elector: gate.Alone(),
		Backoff: child.Constant(10 * time.Millisecond),
		Run: func(i int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				if runs <- i; i == 1 && ctx.Restarts() < 2 {
					return errors.New("connection refused")
				}
				<-ctx.Done()
				return nil
			}
		},
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
	_ = root.Start(context.Background())
	count := map[int]int{}
	for range 4 {
		count[<-runs]++
	}
	fmt.Println("shard 0:", count[0], "run; shard 1:", count[1], "runs")
	_ = root.Stop(context.Background())
	// Output:
	// shard 0: 1 run; shard 1: 3 runs
}

// Two processes. The second one joins later, and gets half of the shards, as fast as
// MovesPerMinute permits, after the members have been the same for HoldDown.
func ExampleShardsSpec_movesPerMinute() {
	ctx := context.Background()
	leases := gate.Alone()
	started := make(chan string, 100)
	process := func(name string) (*gate.Shards, *supervisor.Supervisor) {
		feeds := gate.NewShards(gate.ShardsSpec{
			Name: "/shop/feeds", N: 8, Elector: leases,
			MovesPerMinute: 6000,
			HoldDown:       20 * time.Millisecond,
			Run: func(i int) func(child.Context) error {
				return func(ctx child.Context) error {
					if err := ctx.Ready(); err != nil {
						return err
					}
					started <- name
					<-ctx.Done()
					return nil
				}
			}})
		root := supervisor.New(supervisor.Spec{Name: name, Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
		_ = root.Start(ctx)
		return feeds, root
	}
	a, rootA := process("a")
	for range 8 {
		<-started
	}
	b, rootB := process("b")
	for range 4 {
		<-started
	}
	fmt.Println(len(a.Held()), len(b.Held()))
	_ = rootA.Stop(ctx)
	for range 4 {
		<-started
	}
	fmt.Println(len(a.Held()), len(b.Held()))
	_ = rootB.Stop(ctx)
	// Output:
	// 4 4
	// 0 8
}

// All shards of a member have one lease. Its terms must fit together, as for a gate.
func ExampleShardsSpec_stopWithin() {
	spec := gate.ShardsSpec{
		Name:           "/shop/feeds",
		N:              64,
		Elector:        gatetest.NewEngine().Member("a", 15*time.Second),
		StopWithin:     2 * time.Second, // of each shard, and of all together
		RenewEvery:     3 * time.Second,
		RequestTimeout: 3 * time.Second,
		ReleaseWithin:  time.Second,
		Late:           gate.Fence, // each write carries gate.Token(ctx)
		Run:            func(int) func(child.Context) error { return child.Plain(func(context.Context) error { return nil }) },
	}
	fmt.Println(spec.Terms())
	fmt.Println(spec.Validate())
	// Output:
	// TTL 15s x 0.99 = 14.85s; renewal 3s + request 3s + stop 2s + release 1s + slack 750ms = 9.75s
	// <nil>
}

// Which process has which shard, as far as the engine knows.
func ExampleShards_Where() {
	ctx := context.Background()
	started := make(chan bool, 2)
	feeds := gate.NewShards(gate.ShardsSpec{
		Name: "/shop/feeds", N: 2, Elector: gate.Alone(),
		Run: func(int) func(child.Context) error {
			return func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				started <- true
				<-ctx.Done()
				return nil
			}
		},
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "feeds", Run: feeds.Run}}})
	_ = root.Start(ctx)
	<-started
	<-started
	where, err := feeds.Where(ctx)
	for i, h := range where {
		fmt.Println("shard", i, "is run by", h.ID)
	}
	fmt.Println(err, feeds.State().Members)
	_ = root.Stop(ctx)
	where, _ = feeds.Where(ctx)
	fmt.Println(where[0].ID == "")
	// Output:
	// shard 0 is run by this process
	// shard 1 is run by this process
	// <nil> 1
	// true
}
