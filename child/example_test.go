package child_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/coppice-go/coppice/child"
)

func ExampleExponential() {
	policy := child.Exponential(100*time.Millisecond, 30*time.Second)()
	within := func(from, to time.Duration) {
		d := policy.NextBackOff()
		fmt.Println(from, "to", to, from <= d && d <= to)
	}
	within(50*time.Millisecond, 150*time.Millisecond)
	within(100*time.Millisecond, 300*time.Millisecond)
	within(200*time.Millisecond, 600*time.Millisecond)
	for range 6 {
		policy.NextBackOff()
	}
	within(10*time.Second, 30*time.Second)
	// Output:
	// 50ms to 150ms true
	// 100ms to 300ms true
	// 200ms to 600ms true
	// 10s to 30s true
}

func ExampleConstant() {
	policy := child.Constant(2 * time.Second)()
	fmt.Println(policy.NextBackOff(), policy.NextBackOff(), policy.NextBackOff())
	// Output: 2s 2s 2s
}

func ExampleBackoff_Retries() {
	policy := child.Constant(time.Second).Retries(2)()
	for d := policy.NextBackOff(); d >= 0; d = policy.NextBackOff() {
		fmt.Println("again in", d)
	}
	fmt.Println("given up")

	policy.Reset() // the child was healthy for a while
	fmt.Println("again in", policy.NextBackOff())
	// Output:
	// again in 1s
	// again in 1s
	// given up
	// again in 1s
}

func ExamplePlain() {
	// greet does not use Coppice.
	greet := func(ctx context.Context) error {
		fmt.Println("hello")
		return nil
	}
	spec := child.Spec{Name: "greeter", Run: child.Plain(greet)}
	fmt.Println(spec.Run(child.FromContext(context.Background())))
	// Output:
	// hello
	// <nil>
}

func ExampleTask() {
	migrate := func(ctx context.Context) error {
		fmt.Println("migrating")
		return nil
	}
	spec := child.Spec{Name: "migrate", Run: child.Task(migrate)}
	err := spec.Run(child.FromContext(context.Background()))
	fmt.Println(errors.Is(err, child.ErrDone))
	// Output:
	// migrating
	// true
}

func ExampleEscalate() {
	err := child.Escalate(fmt.Errorf("write journal: %w", io.ErrShortWrite))
	fmt.Println(err)
	fmt.Println(errors.Is(err, io.ErrShortWrite))
	// Output:
	// escalated: write journal: short write
	// true
}

func ExampleUniqueName() {
	first, second := child.UniqueName("job"), child.UniqueName("job")
	fmt.Println(strings.HasPrefix(first, "job-"), first != second)
	// Output: true true
}

func ExampleRef() {
	var address child.Ref[string]

	// The run of a listener publishes its address.
	ctx, stop := context.WithCancel(context.Background())
	address.Set(child.FromContext(ctx), "127.0.0.1:8080")

	// A sibling gets it. Without one, Get would wait.
	fmt.Println(address.Get(context.Background()))

	// When the run is stopped, its value is withdrawn.
	stop()
	_, ok := address.Load()
	fmt.Println(ok)
	// Output:
	// 127.0.0.1:8080 <nil>
	// false
}

func ExampleSleep() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	polls := 0
	for !child.Sleep(ctx, time.Millisecond) {
		fmt.Println("poll")
		if polls++; polls == 3 {
			stop()
		}
	}
	fmt.Println("asked to stop")
	// Output:
	// poll
	// poll
	// poll
	// asked to stop
}

func ExampleFromContext() {
	// Outside of a supervisor it returns a detached Context, so that a Run can
	// be tested and used alone.
	run := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		fmt.Println("working")
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	fmt.Println(run(child.FromContext(ctx)))
	stop()
	fmt.Println(run(child.FromContext(ctx)))
	// Output:
	// working
	// <nil>
	// context canceled
}

func ExampleRecovered() {
	// A supervisor recovers panics only on the goroutine of Run. This child starts
	// another goroutine and returns a panic there as its own error.
	run := func(ctx child.Context) error {
		failed := make(chan error, 1)
		go func() {
			defer func() {
				if p := child.Recovered(recover()); p != nil {
					failed <- p
				}
			}()
			panic("index is broken\nat page 7")
		}()
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		}
	}
	err := run(child.FromContext(context.Background()))
	fmt.Println(err)
	var p *child.PanicError
	fmt.Println(errors.As(err, &p), len(p.Stack()) > 0)
	// Output:
	// panic: index is broken
	// true true
}

func ExampleSpec_Validate() {
	err := child.Spec{
		Name:        "jobs/mail",
		Significant: true,
		StopTimeout: -time.Second,
	}.Validate()
	fmt.Println(err)

	var fault *child.SpecError
	fmt.Println(errors.As(err, &fault), fault.Field)
	// Output:
	// jobs/mail: Name: has a slash: "jobs/mail"
	// jobs/mail: Run: nil
	// jobs/mail: Significant: a permanent child cannot be significant: it is always restarted
	// jobs/mail: StopTimeout: negative: -1s
	// true Name
}

func ExampleNameOf() {
	type queue struct {
		Tenant string
		Shard  int
	}
	for _, key := range []any{"eu-1", "eu/1", 17, netip.MustParseAddrPort("10.0.0.1:80"), queue{"eu/1", 3}} {
		fmt.Println(child.NameOf(key))
	}
	// Output:
	// eu-1
	// eu%2F1
	// 17
	// 10.0.0.1:80
	// {"eu%2F1" 3}
}
