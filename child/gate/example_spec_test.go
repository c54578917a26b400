package gate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/gate"
	"github.com/coppice-go/coppice/child/gate/gatetest"
	"github.com/coppice-go/coppice/supervisor"
)

// All durations can be set. Those that are not are parts of the TTL. Terms has all of them,
// and Validate says whether they fit together.
func ExampleSpec() {
	spec := gate.Spec{
		Name:           "/shop/billing",
		Elector:        gatetest.NewEngine().Member("a", 30*time.Second), // in a program: etcdgate.New or sqlgate.New
		Run:            func(ctx child.Context) error { return ctx.Ready() },
		StopWithin:     12 * time.Second,
		RenewEvery:     3 * time.Second,
		RequestTimeout: 3 * time.Second,
		ReleaseWithin:  2 * time.Second,
	}
	fmt.Println(spec.Terms())
	fmt.Println(spec.Validate())
	// Output:
	// TTL 30s x 0.99 = 29.7s; renewal 3s + request 3s + stop 12s + release 2s + slack 1.5s = 21.5s
	// <nil>
}

// A leader that stays unready lets another member lead.
func ExampleSpec_yieldAfter() {
	ctx := context.Background()
	stopped := make(chan error)
	g := gate.New(gate.Spec{
		Name:       "/shop/billing",
		Elector:    gate.Alone(),
		RenewEvery: 10 * time.Millisecond,
		YieldAfter: 20 * time.Millisecond,
		Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errors.New("the mail server is away"))
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "billing", Run: g.Run}},
	})
	_ = root.Start(ctx)
	fmt.Println(errors.Is(<-stopped, gate.ErrUnready))
	_ = root.Stop(ctx)
	// Output:
	// true
}

// Late receives what has not stopped when its lease ends. Here it only prints that. A
// program whose stores refuse stale tokens uses gate.Fence; the default, gate.Crash, ends the
// process.
func ExampleSpec_late() {
	ctx := context.Background()
	led, late, release := make(chan bool, 1), make(chan error, 1), make(chan bool)
	g := gate.New(gate.Spec{
		Name:    "/shop/billing",
		Elector: gatetest.NewEngine().Member("a", 600*time.Millisecond),
		Late:    func(err error) { late <- err },
		Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			led <- true
			<-release // instead of ctx.Done()
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.DiscardHandler),
		Children: []child.Spec{{Name: "billing", Run: g.Run}},
	})
	_ = root.Start(ctx)
	<-led
	_ = g.Yield(ctx)
	fmt.Println(<-late)
	close(release)
	_ = root.Stop(ctx)
	// Output:
	// /shop/billing: the lease with token 1 has ended, and this has not stopped: /shop/billing/guarded
}
