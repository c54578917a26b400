package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// every returns a child that calls work at an interval, never two at a time. An error is
// reported and appears in Tree, and the child goes on. To restart the child instead, with
// a backoff, return the error.
func every(interval time.Duration, work func(context.Context) error) func(child.Context) error {
	return func(ctx child.Context) error {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		if err := ctx.Ready(); err != nil {
			return err
		}
		for {
			select {
			case <-tick.C:
				ctx.OnError(work(ctx))
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// A periodic job is a child with a ticker. A stop waits for the call in progress, up to
// StopTimeout.
func Example_cron() {
	ctx := context.Background()
	worked := make(chan int, 1000)
	n := 0
	report := func(ctx context.Context) error {
		n++
		worked <- n
		if n == 2 {
			return errors.New("no data")
		}
		return nil
	}
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "report", Run: every(10*time.Millisecond, report), StopTimeout: time.Minute},
	}})
	_ = root.Start(ctx)
	for range 3 {
		fmt.Println("report", <-worked)
	}
	st, _ := root.Lookup("report")
	fmt.Println(st.State, "- last error:", st.LastError)
	fmt.Println(root.Stop(ctx))
	// Output:
	// report 1
	// report 2
	// report 3
	// running - last error: no data
	// <nil>
}
