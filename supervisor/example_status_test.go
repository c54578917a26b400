package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// The status of a child has its last error and the time of it, also after the child has
// recovered. So a caller can tell an old error from a new one.
func Example_lastErrorAt() {
	ctx := context.Background()
	reported := make(chan struct{})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", Run: child.Plain(func(ctx context.Context) error { <-ctx.Done(); return nil })},
		{Name: "feed", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.OnError(errors.New("no such host")) // does not end the run
			close(reported)
			<-ctx.Done()
			return nil
		}},
	}})
	fmt.Println(root.Start(ctx))
	<-reported
	for _, st := range root.Children() {
		if st.LastErrorAt.IsZero() {
			fmt.Println(st.Name, st.State, "no error")
			continue
		}
		recent := time.Since(st.LastErrorAt) < time.Minute
		fmt.Println(st.Name, st.State, st.LastError, recent)
	}
	fmt.Println(root.Stop(ctx))
	// Output:
	// <nil>
	// db running no error
	// feed running no such host true
	// <nil>
}
