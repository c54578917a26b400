package gate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// Two processes, each with a gate. One bills, and the other one stands by. When the first
// one stops, the other takes over.
func Example() {
	ctx := context.Background()
	leases := gate.Alone() // in a real program: an engine that all processes share
	leads := make(chan string)
	process := func(name string) *supervisor.Supervisor {
		bill := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			token, _ := gate.Token(ctx)
			leads <- fmt.Sprintf("%s bills with token %d", name, token)
			<-ctx.Done()
			return nil
		}
		g := gate.New(gate.Spec{Name: "/shop/billing", Elector: leases, Run: bill})
		return supervisor.New(supervisor.Spec{Name: name, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
	}
	a, b := process("a"), process("b")
	_ = a.Start(ctx)
	fmt.Println(<-leads)
	_ = b.Start(ctx)
	fmt.Println("b is well:", b.Health() == nil)
	_ = a.Stop(ctx)
	fmt.Println(<-leads)
	_ = b.Stop(ctx)
	// Output:
	// a bills with token 1
	// b is well: true
	// b bills with token 2
}

// Before a deploy, a leader hands over.
func ExampleGate_Yield() {
	ctx := context.Background()
	led := make(chan bool, 1)
	g := gate.New(gate.Spec{Name: "/shop/billing", Elector: gate.Alone(), Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		led <- true
		<-ctx.Done()
		fmt.Println("stopped:", context.Cause(ctx))
		return nil
	}})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "billing", Run: g.Run}}})
	_ = root.Start(ctx)
	<-led
	fmt.Println(g.Open())
	fmt.Println(g.Yield(ctx))
	fmt.Println(g.Open())
	_ = root.Stop(ctx)
	// Output:
	// true
	// stopped: stopped: yielded
	// <nil>
	// false
}

// A job runs only while a flag is on.
func ExampleFlag() {
	ctx := context.Background()
	var mu sync.Mutex
	on := true
	flag := func(context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return on, nil
	}
	started, stopped := make(chan bool), make(chan error)
	g := gate.New(gate.Spec{
		Name:       "nightly",
		Elector:    gate.Flag(10*time.Millisecond, flag),
		RenewEvery: 10 * time.Millisecond,
		Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			started <- true
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "nightly", Run: g.Run}}})
	_ = root.Start(ctx)
	<-started
	mu.Lock()
	on = false
	mu.Unlock()
	fmt.Println(errors.Is(<-stopped, gate.ErrLost))
	_ = root.Stop(ctx)
	// Output:
	// true
}

// What does not fit is an error of the first start. It prints all terms.
func ExampleSpec_stopWithin() {
	leases := gatetest.NewEngine().Member("a", 15*time.Second)
	g := gate.New(gate.Spec{
		Name:       "/shop/billing",
		Elector:    leases,
		StopWithin: 10 * time.Second, // by default a third of the TTL
		Run:        func(ctx child.Context) error { return ctx.Ready() },
	})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "billing", Run: g.Run}}})
	fmt.Println(root.Start(context.Background()))
	// Output:
	// /shop/billing: /shop/billing: StopWithin: what is guarded might not stop before its lease ends; choose a longer TTL or shorter terms: TTL 15s x 0.99 = 14.85s; renewal 2.5s + request 2.5s + stop 10s + release 1.25s + slack 750ms = 17s
}

// A store keeps the number of the last invoice. With fenced, it refuses a token that is
// lower than one before.
type store struct {
	mu     sync.Mutex
	fenced bool
	token  int64
	nr     int
	log    []string
}

func (s *store) raise(token int64) (nr int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced && token < s.token {
		return 0, gate.ErrStale
	}
	s.token = token
	return s.nr, nil
}

func (s *store) write(token int64, nr int, who string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fenced && token < s.token {
		return gate.ErrStale
	}
	s.token, s.nr = token, nr
	s.log = append(s.log, fmt.Sprintf("invoice %d by %s", nr, who))
	return nil
}

// The leader is paused after it has decided to write invoice 1, and before it does. Its
// lease passes on, and the next leader writes invoice 1. Then the first one wakes up. Without
// tokens there are two invoices 1. With them, the store refuses the late one.
func Example_ofTokens() {
	for _, fenced := range []bool{false, true} {
		s := &store{fenced: fenced}
		leases := gate.Alone()
		paused, wake, woke := make(chan bool), make(chan bool), make(chan error)
		wrote := make(chan error)
		process := func(name string, work func(token int64, nr int)) (*gate.Gate, *supervisor.Supervisor) {
			g := gate.New(gate.Spec{Name: "/shop/billing", Elector: leases, Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				token, _ := gate.Token(ctx)
				nr, err := s.raise(token) // before it decides anything
				if err != nil {
					return err
				}
				go work(token, nr+1) // a goroutine that the gate does not know stands for one that is paused
				<-ctx.Done()
				return nil
			}})
			return g, supervisor.New(supervisor.Spec{Name: name, Children: []child.Spec{{Name: "billing", Run: g.Run}}})
		}
		ga, a := process("a", func(token int64, nr int) {
			paused <- true
			<-wake
			woke <- s.write(token, nr, "a")
		})
		_, b := process("b", func(token int64, nr int) { wrote <- s.write(token, nr, "b") })
		_ = a.Start(context.Background())
		<-paused
		_ = b.Start(context.Background())
		_ = ga.Yield(context.Background())
		fmt.Println("b:", <-wrote)
		_ = a.Stop(context.Background())
		wake <- true
		fmt.Println("a:", <-woke)
		_ = b.Stop(context.Background())
		fmt.Println(s.log)
	}
	// Output:
	// b: <nil>
	// a: <nil>
	// [invoice 1 by b invoice 1 by a]
	// b: <nil>
	// a: stale token: another has led since
	// [invoice 1 by b]
}

// A page of the program shows who leads, for all gates of the tree.
func ExampleRunning() {
	ctx := context.Background()
	led := make(chan bool, 1)
	g := gate.New(gate.Spec{Name: "billing", Elector: gate.Alone(), Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		led <- true
		<-ctx.Done()
		return nil
	}})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "bills", Run: g.Run}}})
	_ = root.Start(ctx)
	<-led
	for path, g := range gate.Running(root) {
		st := g.State()
		fmt.Printf("%s: gate %q, open: %v, token %d, opened %d time(s)\n", path, g.Name(), st.Open, st.Token, st.Wins)
	}
	_ = root.Stop(ctx)
	fmt.Println(len(gate.Running(root)), "gates run")
	// Output:
	// /shop/bills: gate "billing", open: true, token 1, opened 1 time(s)
	// 0 gates run
}
