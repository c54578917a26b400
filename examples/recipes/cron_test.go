package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
	"github.com/coppice-go/coppice/supervisor"
)

// A periodic job is never called twice at a time. With GoOn an error is reported and
// appears in Tree, and the job goes on; without it, the child is restarted. A stop waits
// for the call in progress, up to StopTimeout. For times such as "at 2:30", set Next in
// place of Every.
func Example_cron() {
	ctx := context.Background()
	worked := make(chan int, 1000)
	n := 0
	report := periodic.New(periodic.Spec{Every: 10 * time.Millisecond, GoOn: true, Do: func(ctx context.Context) error {
		n++
		worked <- n
		if n == 2 {
			return errors.New("no data")
		}
		return nil
	}})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "report", Run: report.Run, StopTimeout: time.Minute},
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
