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

// Who is restarted with the cache, of a database, a cache and an API?
func ExampleSpec_strategy() {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.RestForOne, strategy.OneForAll} {
		crash := make(chan error)
		root := supervisor.New(supervisor.Spec{
			Strategy: s,
			Children: []child.Spec{
				{Name: "db", Run: idle},
				{Name: "cache", Run: failsWith(crash)},
				{Name: "api", Run: idle},
			},
			Logger: quiet,
		})
		if err := root.Start(context.Background()); err != nil {
			fmt.Println(err)
		}
		// From the failure on, whatever becomes ready again.
		ready := watch(root, supervisor.EventReady)
		crash <- errors.New("out of memory")
		fmt.Print(s, ":")
		for n := map[strategy.Strategy]int{strategy.OneForOne: 1, strategy.RestForOne: 2, strategy.OneForAll: 3}[s]; n > 0; n-- {
			fmt.Print(" ", (<-ready).Path)
		}
		fmt.Println()
		_ = root.Stop(context.Background())
	}
	// Output:
	// one-for-one: /root/cache
	// rest-for-one: /root/cache /root/api
	// one-for-all: /root/db /root/cache /root/api
}

// An Independent supervisor is for many children that come and go. Its children
// start and stop side by side, and one that ended or was stopped is forgotten.
func ExampleSpec_strategy_independent() {
	jobs := supervisor.New(supervisor.Spec{Name: "jobs", Strategy: strategy.Independent})
	ctx := context.Background()
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

// More than one restart in ten seconds, and the supervisor gives up.
func ExampleSpec_intensity() {
	broken := errors.New("disk full")
	root := supervisor.New(supervisor.Spec{
		Intensity: strategy.AtMost(1, 10*time.Second),
		Children: []child.Spec{{Name: "journal", Run: child.Plain(func(context.Context) error {
			fmt.Println("write")
			return broken
		})}},
		Logger: quiet,
	})
	err := root.Serve(context.Background())
	fmt.Println(err)
	var gave *supervisor.GaveUpError
	fmt.Println(errors.As(err, &gave), gave.Child, errors.Is(err, broken))
	// Output:
	// write
	// write
	// /root: gave up: more than 1 restart in 10s: /root/journal: disk full
	// true /root/journal true
}

// The pause before a restart, for all children that set none of their own.
func ExampleSpec_backoff() {
	root := supervisor.New(supervisor.Spec{
		Backoff: child.Constant(20 * time.Millisecond).Retries(2),
		Children: []child.Spec{{Name: "feed", Run: child.Plain(func(context.Context) error {
			return io.ErrUnexpectedEOF
		})}},
		Logger: quiet,
	})
	restarts := watch(root, supervisor.EventRestarting)
	fmt.Println(root.Serve(context.Background()))
	fmt.Println((<-restarts).Delay, (<-restarts).Delay)
	// Output:
	// /root: gave up: backoff gave up: /root/feed: unexpected EOF
	// 20ms 20ms
}

// The supervisor ends when the work of its significant child is done.
func ExampleSpec_autoShutdown() {
	root := supervisor.New(supervisor.Spec{
		AutoShutdown: strategy.AnySignificant,
		Children: []child.Spec{
			{Name: "db", Run: speak},
			{Name: "import", Restart: child.Transient, Significant: true, Run: child.Plain(func(context.Context) error {
				fmt.Println("import is done")
				return nil
			})},
		},
	})
	fmt.Println(root.Serve(context.Background()))
	// Output:
	// /root/db starts
	// import is done
	// /root/db stops
	// <nil>
}

func ExampleSpec_maxChildren() {
	root := supervisor.New(supervisor.Spec{Strategy: strategy.Independent, MaxChildren: 2})
	ctx := context.Background()
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

// The time for the whole stop. When nine tenths are over, whoever is left is
// asked at once; at the end what has not returned is left behind, and reported.
func ExampleSpec_stopTimeout() {
	stuck := make(chan struct{})
	root := supervisor.New(supervisor.Spec{
		StopTimeout: 50 * time.Millisecond,
		Children: []child.Spec{
			{Name: "worker", StopTimeout: child.Forever, Run: child.Plain(func(context.Context) error {
				<-stuck
				return nil
			})},
		},
		Logger: quiet,
	})
	_ = root.Start(context.Background())
	began := time.Now()
	err := root.Stop(context.Background())
	var stop *supervisor.StopError
	fmt.Println(errors.As(err, &stop), stop.Left[0].Path, time.Since(began) < 5*time.Second)
	close(stuck)
	// Output: true /root/worker true
}

// A panic is a failure like any other, with value and stack. With PassPanics it
// crashes the process, here and in all supervisors below: for programs that trust
// no state after a panic.
func ExampleSpec_passPanics() {
	const passPanics = false // with true this example would crash
	root := supervisor.New(supervisor.Spec{
		PassPanics: passPanics,
		Intensity:  strategy.AtMost(0, time.Second),
		Children: []child.Spec{{Name: "parser", Run: child.Plain(func(context.Context) error {
			panic("page 7 is broken")
		})}},
		Logger: quiet,
	})
	err := root.Serve(context.Background())
	fmt.Println(err)
	var p *child.PanicError
	fmt.Println(errors.As(err, &p), len(p.Stack()) > 0)
	// Output:
	// /root: gave up: more than 0 restarts in 1s: /root/parser: panic: page 7 is broken
	// true true
}

// A line for each event: failures loud, the rest at debug level.
func ExampleSpec_logger() {
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		switch a.Key {
		case slog.TimeKey, "took", "down":
			return slog.Attr{}
		}
		return a
	}
	root := supervisor.New(supervisor.Spec{
		Name:     "shop",
		Logger:   slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: noTime})),
		Backoff:  child.Constant(time.Millisecond).Retries(1),
		Children: []child.Spec{{Name: "feed", Run: child.Plain(func(context.Context) error { return io.ErrUnexpectedEOF })}},
	})
	_ = root.Serve(context.Background())
	// Output:
	// level=INFO msg="coppice: up" path=/shop children=1
	// level=ERROR msg="coppice: failed" path=/shop/feed err="unexpected EOF" next="restart 1 in 1ms"
	// level=INFO msg="coppice: ready" path=/shop/feed restarts=1
	// level=ERROR msg="coppice: failed" path=/shop/feed restarts=1 err="unexpected EOF" next="the supervisor gives up"
	// level=ERROR msg="coppice: gave-up" path=/shop restarts=1 err="/shop: gave up: backoff gave up: /shop/feed: unexpected EOF"
	// level=INFO msg="coppice: stopping" path=/shop
	// level=INFO msg="coppice: stopped" path=/shop
}

// What is to be done around each run of the subtree, in one place: here a line
// before and after, in a program a trace or a metric.
func ExampleSpec_around() {
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
	_ = root.Start(context.Background())
	_ = root.Stop(context.Background())
	// Output:
	// begin /shop/db
	// begin /shop/jobs
	// begin /shop/jobs/mail
	// end /shop/jobs/mail
	// end /shop/jobs
	// end /shop/db
}
