package periodic_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/supervisor"
)

// A job is called at an interval that does not drift, and out of turn by Now.
func Example() {
	ctx := context.Background()
	swept := make(chan int)
	n := 0
	sweep := periodic.New(periodic.Spec{
		Every: 10 * time.Millisecond,
		Do: func(ctx context.Context) error {
			n++
			select {
			case swept <- n:
			case <-ctx.Done():
			}
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "sweep", Run: sweep.Run}}})
	fmt.Println(root.Start(ctx))
	fmt.Println("sweep", <-swept)
	fmt.Println("sweep", <-swept)
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// sweep 1
	// sweep 2
	// <nil>
}

// With GoOn an error is reported, and the job goes on. AtStart makes a call at the start.
func ExampleSpec_goOn() {
	ctx := context.Background()
	report := periodic.New(periodic.Spec{
		Every:   time.Hour,
		AtStart: true,
		GoOn:    true,
		Do:      func(context.Context) error { return errors.New("no data") },
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "report", Run: report.Run}}})
	reported := root.Watch(ctx, "report", supervisor.EventError)
	_ = root.Start(ctx)
	fmt.Println((<-reported).Err)
	st, _ := root.Lookup("report")
	fmt.Println(st.State, "after", st.Restarts, "restarts")
	_ = root.Stop(ctx)
	// Output:
	// no data
	// running after 0 restarts
}

// Without GoOn, an error fails the run, and the backoff of the child applies.
func ExampleSpec() {
	ctx := context.Background()
	n := 0
	report := periodic.New(periodic.Spec{
		Every:   time.Hour,
		AtStart: true,
		Do: func(context.Context) error {
			if n++; n == 1 {
				return errors.New("no data")
			}
			return nil
		},
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "report", Run: report.Run, Backoff: child.Constant(10 * time.Millisecond)},
	}})
	events := root.Watch(ctx, "report", supervisor.EventReady, supervisor.EventFailed)
	_ = root.Start(ctx)
	for range 3 {
		e := <-events
		fmt.Println(e.Kind, e.Err)
	}
	_ = root.Stop(ctx)
	// Output:
	// ready <nil>
	// failed no data
	// ready <nil>
}

// Timeout ends the context of a call. Jitter spreads the calls of many processes.
func ExampleSpec_timeout() {
	ctx := context.Background()
	poll := periodic.New(periodic.Spec{
		Every:   time.Minute,
		Jitter:  5 * time.Second,
		Timeout: 10 * time.Millisecond,
		GoOn:    true,
		Do:      func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "poll", Run: poll.Run}}})
	_ = root.Start(ctx)
	fmt.Println(poll.Now(ctx))
	_ = root.Stop(ctx)
	// Output:
	// timed out after 10ms
}

// A Schedule is the interface of the schedules of github.com/robfig/cron/v3, which a program
// gets from cron.ParseStandard("30 * * * *").
type Schedule interface{ Next(time.Time) time.Time }

// At is a schedule: each hour, at this minute.
type At int

func (at At) Next(t time.Time) time.Time {
	next := t.Truncate(time.Hour).Add(time.Duration(at) * time.Minute)
	if !next.After(t) {
		next = next.Add(time.Hour)
	}
	return next
}

// Next takes the method of a schedule, such as that of a cron expression.
func ExampleSpec_next() {
	ctx := context.Background()
	var schedule Schedule = At(30)
	report := periodic.New(periodic.Spec{
		Next: schedule.Next,
		Do:   func(context.Context) error { fmt.Println("report"); return nil },
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "report", Run: report.Run}}})
	_ = root.Start(ctx)
	fmt.Println(report.Now(ctx)) // does not wait for half past
	fmt.Println("next at minute", report.State().Next.Minute())
	_ = root.Stop(ctx)
	// Output:
	// report
	// <nil>
	// next at minute 30
}

// Now runs the job out of turn and returns its error.
func ExampleJob_Now() {
	ctx := context.Background()
	cleanup := periodic.New(periodic.Spec{
		Every: 24 * time.Hour,
		Do:    func(context.Context) error { fmt.Println("cleaned up"); return nil },
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "cleanup", Run: cleanup.Run}}})
	_ = root.Start(ctx)
	fmt.Println(cleanup.Now(ctx))
	fmt.Println(cleanup.State().Calls, "call")
	_ = root.Stop(ctx)
	// Output:
	// cleaned up
	// <nil>
	// 1 call
}

// Running finds the jobs of a tree, for example to report when each of them last succeeded.
func ExampleRunning() {
	ctx := context.Background()
	cleanup := periodic.New(periodic.Spec{Every: time.Hour, Do: func(context.Context) error { return nil }})
	root := supervisor.New(supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "cleanup", Run: cleanup.Run}}})
	_ = root.Start(ctx)
	_ = cleanup.Now(ctx)
	for path, job := range periodic.Running(root) {
		fmt.Println(path, time.Since(job.State().LastSuccess) < time.Hour)
	}
	_ = root.Stop(ctx)
	// Output:
	// /shop/cleanup true
}
