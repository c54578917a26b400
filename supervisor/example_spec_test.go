package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The strategy decides which of a database, a cache and an API are restarted when the
// cache fails.
func ExampleSpec_strategy() {
	ctx := context.Background()
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.RestForOne, strategy.OneForAll} {
		run := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), child.ErrSibling) {
				fmt.Println(s, "also restarts", ctx.Path())
			}
			return nil
		}
		crash := make(chan error)
		root := supervisor.New(supervisor.Spec{
			Strategy: s,
			Children: []child.Spec{
				{Name: "db", Run: run},
				{Name: "cache", Run: child.Plain(func(ctx context.Context) error {
					select {
					case err := <-crash:
						return err
					case <-ctx.Done():
						return nil
					}
				})},
				{Name: "api", Run: run},
			},
		})
		_ = root.Start(ctx)
		ready := root.Watch(ctx, "cache", supervisor.EventReady)
		crash <- errors.New("out of memory")
		<-ready
		_ = root.Stop(ctx)
	}
	// Output:
	// rest-for-one also restarts /root/api
	// one-for-all also restarts /root/api
	// one-for-all also restarts /root/db
}

// An Independent supervisor is for many dynamic children. It starts and stops them
// concurrently, and removes a child that was stopped, or that ended and is not restarted.
func ExampleSpec_strategy_independent() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	jobs := supervisor.New(supervisor.Spec{Name: "jobs", Strategy: strategy.Independent})
	fmt.Println(jobs.Start(ctx))
	for range 1000 {
		err := jobs.StartChild(ctx, child.Spec{Name: child.UniqueName("job"), Run: idle, Restart: child.Temporary})
		if err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(jobs.Count().Active, "jobs")
	fmt.Println(jobs.Stop(ctx))
	// Output:
	// <nil>
	// 1000 jobs
	// <nil>
}

// After more than one restart in ten seconds the supervisor gives up.
func ExampleSpec_intensity() {
	errFull := errors.New("disk full")
	journal := child.Plain(func(context.Context) error {
		fmt.Println("write")
		return errFull
	})
	root := supervisor.New(supervisor.Spec{
		Intensity: strategy.AtMost(1, 10*time.Second),
		Children:  []child.Spec{{Name: "journal", Run: journal}},
	})
	err := root.Serve(context.Background())
	fmt.Println(err)
	var gave *supervisor.GaveUpError
	fmt.Println(errors.As(err, &gave), gave.Child, errors.Is(err, errFull))
	// Output:
	// write
	// write
	// /root: gave up: more than 1 restart in 10s: /root/journal: disk full
	// true /root/journal true
}

// The Backoff of a supervisor is the delay before each restart of a child without its
// own Backoff.
func ExampleSpec_backoff() {
	feed := child.Plain(func(context.Context) error { return io.ErrUnexpectedEOF })
	root := supervisor.New(supervisor.Spec{
		Backoff:  child.Constant(20 * time.Millisecond).Retries(2),
		Children: []child.Spec{{Name: "feed", Run: feed}},
	})
	cancel := root.Subscribe(func(e supervisor.Event) {
		fmt.Println("restart in", e.Delay)
	}, supervisor.EventRestarting)
	defer cancel()
	err := root.Serve(context.Background())
	fmt.Println(err)
	// Output:
	// restart in 20ms
	// restart in 20ms
	// /root: gave up: backoff gave up: /root/feed: unexpected EOF
}

// The supervisor ends when the work of its significant child is done.
func ExampleSpec_autoShutdown() {
	db := child.Plain(func(ctx context.Context) error {
		<-ctx.Done()
		fmt.Println("db stops")
		return nil
	})
	load := child.Plain(func(context.Context) error {
		fmt.Println("import is done")
		return nil
	})
	root := supervisor.New(supervisor.Spec{
		AutoShutdown: strategy.AnySignificant,
		Children: []child.Spec{
			{Name: "db", Run: db},
			{Name: "import", Run: load, Restart: child.Transient, Significant: true},
		},
	})
	fmt.Println(root.Serve(context.Background()))
	// Output:
	// import is done
	// db stops
	// <nil>
}

// MaxChildren limits the number of children.
func ExampleSpec_maxChildren() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	root := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, MaxChildren: 2})
	_ = root.Start(ctx)
	for _, name := range []string{"a", "b", "c"} {
		err := root.StartChild(ctx, child.Spec{Name: name, Run: idle})
		fmt.Println(err, errors.Is(err, supervisor.ErrMaxChildren))
	}
	_ = root.Stop(ctx)
	// Output:
	// <nil> false
	// <nil> false
	// /root/c: too many children true
}

// StopTimeout bounds the whole stop. After nine tenths of it, all
// remaining runs are cancelled at once. At its end the runs that have not
// returned are abandoned and reported.
func ExampleSpec_stopTimeout() {
	stuck := make(chan struct{})
	defer close(stuck)
	worker := child.Plain(func(context.Context) error {
		<-stuck // ignores its context
		return nil
	})
	root := supervisor.New(supervisor.Spec{
		StopTimeout: 50 * time.Millisecond,
		Children:    []child.Spec{{Name: "worker", Run: worker, StopTimeout: child.Forever}},
	})
	_ = root.Start(context.Background())
	err := root.Stop(context.Background())
	var stop *supervisor.StopError
	fmt.Println(errors.As(err, &stop), stop.Abandoned[0].Path)
	// Output: true /root/worker
}

// With Drain the root keeps running after its stop was requested, so that a load balancer
// can look elsewhere: it is still up, but no longer healthy.
func ExampleSpec_drain() {
	api := child.Plain(func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
	root := supervisor.New(supervisor.Spec{
		Drain:    50 * time.Millisecond,
		Children: []child.Spec{{Name: "api", Run: api}},
	})
	draining := root.Watch(context.Background(), "", supervisor.EventDraining)
	_ = root.Start(context.Background())
	go func() { _ = root.Stop(context.Background()) }()
	fmt.Println(<-draining)
	fmt.Println(errors.Is(root.Health(), supervisor.ErrDraining))
	fmt.Println(root.Status().State, root.Children()[0].State)
	fmt.Println(root.Wait())
	// Output:
	// draining /root for 50ms: stopped
	// true
	// running running
	// <nil>
}

// A panic is a failure like any other, with value and stack. With PassPanics it crashes
// the process, here and in all supervisors below. Use it if the state of the process
// cannot be trusted after a panic.
func ExampleSpec_passPanics() {
	const passPanics = false // with true this example would crash
	parser := child.Plain(func(context.Context) error { panic("page 7 is broken") })
	root := supervisor.New(supervisor.Spec{
		PassPanics: passPanics,
		Intensity:  strategy.AtMost(0, time.Second), // give up on the first failure
		Children:   []child.Spec{{Name: "parser", Run: parser}},
	})
	err := root.Serve(context.Background())
	fmt.Println(err)
	var p *child.PanicError
	fmt.Println(errors.As(err, &p), len(p.Stack()) > 0)
	// Output:
	// /root: gave up: more than 0 restarts in 1s: /root/parser: panic: page 7 is broken
	// true true
}

// The log at info level has the whole story. Starts and stops of single children are
// logged at debug level.
func ExampleSpec_logger() {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "took", "down":
			return slog.Attr{}
		}
		return a
	}
	feed := child.Plain(func(context.Context) error { return io.ErrUnexpectedEOF })
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime})),
		Backoff:  child.Constant(time.Millisecond).Retries(1),
		Children: []child.Spec{{Name: "feed", Run: feed}},
	})
	_ = root.Serve(context.Background())
	// Output:
	// level=INFO msg="coppice: up" path=/shop children=1
	// level=ERROR msg="coppice: failed" path=/shop/feed err="unexpected EOF" next="restart 1 in 1ms"
	// level=INFO msg="coppice: ready" path=/shop/feed restarts=1
	// level=ERROR msg="coppice: failed" path=/shop/feed restarts=1 err="unexpected EOF" next="the supervisor gives up"
	// level=ERROR msg="coppice: gave-up" path=/shop restarts=1 err="/shop: gave up: backoff gave up: /shop/feed: unexpected EOF"
	// level=INFO msg="coppice: closing" path=/shop
	// level=INFO msg="coppice: over" path=/shop
}

// Around wraps each run of the subtree. Here it prints a line before and after each run.
// In a program it would record a span or a metric.
func ExampleSpec_around() {
	ctx := context.Background()
	idle := child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })
	jobs := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "mail", Run: idle}}})
	root := supervisor.New(supervisor.Spec{
		Name: "shop",
		Around: func(ctx child.Context, run func(child.Context) error) error {
			fmt.Println("begin", ctx.Path())
			defer fmt.Println("end", ctx.Path())
			return run(ctx)
		},
		Children: []child.Spec{{Name: "db", Run: idle}, {Name: "jobs", Run: jobs.Run}},
	})
	_ = root.Start(ctx)
	_ = root.Stop(ctx)
	// Output:
	// begin /shop/db
	// begin /shop/jobs
	// begin /shop/jobs/mail
	// end /shop/jobs/mail
	// end /shop/jobs
	// end /shop/db
}
