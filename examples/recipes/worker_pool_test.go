package recipes_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// Workers take jobs from a channel. A worker that fails loses its job, and is restarted
// with a backoff. The others go on.
func Example_workerPool() {
	jobs := make(chan int)
	var taken sync.WaitGroup // counts a job that panics too
	var done atomic.Int32
	do := func(job int) {
		defer taken.Done()
		if job == 3 {
			panic("job 3 is broken")
		}
		done.Add(1)
	}
	worker := child.Plain(func(ctx context.Context) error {
		for {
			select {
			case job := <-jobs:
				do(job)
			case <-ctx.Done():
				return nil
			}
		}
	})
	pool := supervisor.New(supervisor.Spec{
		Name: "pool",
		Children: []child.Spec{
			{Name: "worker-1", Run: worker},
			{Name: "worker-2", Run: worker},
		},
		Backoff: child.Exponential(100*time.Millisecond, 10*time.Second), // with a backoff, bad jobs do not make the pool give up
	})
	failures := pool.Watch(context.Background(), "", supervisor.EventFailed)
	_ = pool.Start(context.Background())
	for job := range 6 {
		taken.Add(1)
		jobs <- job
	}
	taken.Wait()
	fmt.Println((<-failures).Err)
	fmt.Println(done.Load(), "of 6 jobs done")
	fmt.Println(pool.Stop(context.Background()))
	// Output:
	// panic: job 3 is broken
	// 5 of 6 jobs done
	// <nil>
}
