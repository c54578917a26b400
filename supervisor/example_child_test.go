package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// child.Spec.Restart says whether a child that ended by itself, with nil or with an
// error, is restarted. A Temporary child is removed.
func Example_restart() {
	fails := child.Plain(func(context.Context) error { return errors.New("broken") })
	ends := child.Plain(func(context.Context) error { return nil })
	root := supervisor.New(supervisor.Spec{
		Backoff: child.Constant(time.Hour), // so that the pending restart shows
		Children: []child.Spec{
			{Name: "permanent-nil", Run: ends, Restart: child.Permanent},
			{Name: "permanent-error", Run: fails, Restart: child.Permanent},
			{Name: "transient-nil", Run: ends, Restart: child.Transient},
			{Name: "transient-error", Run: fails, Restart: child.Transient},
			{Name: "temporary-nil", Run: ends, Restart: child.Temporary},
			{Name: "temporary-error", Run: fails, Restart: child.Temporary},
		},
	})
	ctx := context.Background()
	events := root.Watch(ctx, "", supervisor.EventRestarting, supervisor.EventCompleted, supervisor.EventFailed, supervisor.EventRemoved)
	_ = root.Start(ctx)
	for range 11 {
		<-events
	}
	for _, st := range root.Children() {
		fmt.Println(st.Name, st.State)
	}
	_ = root.Stop(ctx)
	// Output:
	// permanent-nil waiting
	// permanent-error waiting
	// transient-nil done
	// transient-error waiting
}

// With AllSignificant the supervisor ends when the last of its significant children has
// ended.
func Example_significant() {
	work := child.Plain(func(context.Context) error { return nil })
	root := supervisor.New(supervisor.Spec{
		AutoShutdown: strategy.AllSignificant,
		Children: []child.Spec{
			{Name: "db", Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				fmt.Println("db stops:", context.Cause(ctx))
				return nil
			})},
			{Name: "half", Run: work, Restart: child.Transient, Significant: true},
			{Name: "other-half", Run: work, Restart: child.Transient, Significant: true},
		},
	})
	fmt.Println(root.Serve(context.Background()))
	// Output:
	// db stops: stopped
	// <nil>
}

// A start that exceeds StartTimeout has failed.
func Example_startTimeout() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", StartTimeout: 10 * time.Millisecond, Run: func(ctx child.Context) error {
			<-ctx.Done() // forgot to call ctx.Ready
			fmt.Println("cause:", context.Cause(ctx))
			return nil
		}},
	}})
	fmt.Println(root.Start(context.Background()))
	// Output:
	// cause: start timeout
	// /root/db: start timeout
}

// ctx.Grace is a context for cleaning up. It ends shortly before the stop timeout, which
// leaves time for a forced close.
func Example_stopTimeout() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "api", StopTimeout: 20 * time.Second, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			deadline, _ := ctx.Grace().Deadline()
			fmt.Println("time to drain:", time.Until(deadline).Round(time.Second))
			return nil // srv.Shutdown(ctx.Grace())
		}},
	}})
	_ = root.Start(context.Background())
	fmt.Println(root.Stop(context.Background()))
	// Output:
	// time to drain: 18s
	// <nil>
}

// While the database server is not up yet, RetryStart retries the first start of db, and
// the start of the tree waits.
func Example_retryStart() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "db", RetryStart: true, Backoff: child.Constant(time.Millisecond), Run: func(ctx child.Context) error {
			if ctx.Restarts() < 2 {
				fmt.Println("connection refused")
				return errors.New("connection refused")
			}
			fmt.Println("connected")
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}},
	}})
	fmt.Println(root.Start(context.Background()))
	_ = root.Stop(context.Background())
	// Output:
	// connection refused
	// connection refused
	// connected
	// <nil>
}

// A child with a Backoff waits before its restart and delays no other child.
// RestartChild restarts it at once.
func Example_backoff() {
	fails := true
	feed := child.Plain(func(ctx context.Context) error {
		if fails {
			fails = false // the next run succeeds
			return errors.New("timeout")
		}
		<-ctx.Done()
		return nil
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "feed", Run: feed, Backoff: child.Constant(time.Minute)},
	}})
	ctx := context.Background()
	restarting := root.Watch(ctx, "feed", supervisor.EventRestarting)
	_ = root.Start(ctx)
	fmt.Println("next start in", (<-restarting).Delay)
	st, _ := root.Lookup("feed")
	fmt.Println(st.State, time.Until(st.NextStart).Round(time.Minute))

	fmt.Println(root.RestartChild(ctx, "feed"))
	st, _ = root.Lookup("feed")
	fmt.Println(st.State)
	_ = root.Stop(ctx)
	// Output:
	// next start in 1m0s
	// waiting 1m0s
	// <nil>
	// running
}

// After a run that was ready for ResetAfter the backoff starts over, so one retry
// is enough here for any number of failures, each after a healthy run.
func Example_resetAfter() {
	feed := child.Plain(func(ctx context.Context) error {
		if child.FromContext(ctx).Restarts() < 3 {
			child.Sleep(ctx, 2*time.Millisecond) // healthy for a while
			return errors.New("timeout")
		}
		<-ctx.Done()
		return nil
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "feed", Run: feed, Backoff: child.Constant(0).Retries(1), ResetAfter: time.Millisecond},
	}})
	ctx := context.Background()
	ready := root.Watch(ctx, "feed", supervisor.EventReady)
	_ = root.Start(ctx)
	for range 4 {
		fmt.Println("ready, restarts:", (<-ready).Restarts)
	}
	_ = root.Stop(ctx)
	// Output:
	// ready, restarts: 0
	// ready, restarts: 1
	// ready, restarts: 2
	// ready, restarts: 3
}

// A child that misses its heartbeat is stopped and restarted.
func Example_heartbeat() {
	worker := func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		for n := 0; ; n++ {
			if ctx.Restarts() == 0 && n == 3 {
				<-ctx.Done() // hangs
			}
			if child.Sleep(ctx, time.Millisecond) {
				return nil
			}
			ctx.Heartbeat() // some work was done
		}
	}
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "worker", Heartbeat: 100 * time.Millisecond, Run: worker},
	}})
	ctx := context.Background()
	events := root.Watch(ctx, "worker", supervisor.EventFailed)
	_ = root.Start(ctx)
	fmt.Println((<-events).Err)
	_ = root.Stop(ctx)
	// Output: no heartbeat
}

// Decide receives the error that a run ended with, and returns the one that counts.
func Example_decide() {
	errConfig, errClosed := errors.New("bad config"), errors.New("closed by peer")
	decide := func(err error) error {
		switch {
		case errors.Is(err, errConfig): // a restart will not help
			return child.Escalate(err)
		case errors.Is(err, errClosed): // the normal end of this child
			return child.ErrDone
		}
		return err
	}
	for _, end := range []error{errClosed, errConfig} {
		run := child.Plain(func(context.Context) error { return fmt.Errorf("feed: %w", end) })
		root := supervisor.New(supervisor.Spec{
			AutoShutdown: strategy.AnySignificant,
			Children: []child.Spec{
				{Name: "feed", Run: run, Restart: child.Transient, Significant: true, Decide: decide},
			},
		})
		fmt.Println(root.Serve(context.Background()))
	}
	// Output:
	// <nil>
	// /root: gave up: escalated: /root/feed: feed: bad config
}

// Escalate makes the supervisor give up at once, for a failure that concerns more than
// the child.
func Example_escalate() {
	journal := child.Plain(func(context.Context) error {
		return child.Escalate(errors.New("disk is gone"))
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "journal", Run: journal}}})
	fmt.Println(root.Serve(context.Background()))
	// Output: /root: gave up: escalated: /root/journal: disk is gone
}

// A child that has nothing to do returns ErrIgnore before it is ready, and the start of
// its siblings continues. It keeps its spec, so RestartChild can start it later.
func Example_errIgnore() {
	enabled := false
	metrics := func(ctx child.Context) error {
		if !enabled {
			return child.ErrIgnore
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "metrics", Run: metrics}}})
	ctx := context.Background()
	fmt.Println(root.Start(ctx), root.Health())
	fmt.Print(root.Tree())
	enabled = true
	fmt.Println(root.RestartChild(ctx, "metrics"))
	fmt.Print(root.Tree())
	_ = root.Stop(ctx)
	// Output:
	// <nil> <nil>
	// root        running   one-for-one
	// └─ metrics  stopped
	// <nil>
	// root        running   one-for-one
	// └─ metrics  running
}

// A child that returns ErrDone is not restarted, whatever its Restart. A child.Task does
// the same: the next child starts when its work is done.
func Example_errDone() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "migrate", Run: child.Task(func(context.Context) error {
			fmt.Println("migrated")
			return nil
		})},
		{Name: "warm-up", Run: func(child.Context) error { return fmt.Errorf("nothing to do: %w", child.ErrDone) }},
	}})
	ctx := context.Background()
	completed := root.Watch(ctx, "", supervisor.EventCompleted)
	_ = root.Start(ctx)
	<-completed
	<-completed
	fmt.Print(root.Tree())
	_ = root.Stop(ctx)
	// Output:
	// migrated
	// root        running   one-for-one
	// ├─ migrate  done
	// └─ warm-up  done
}

// After ErrShutdown a Transient child is not restarted, but a Permanent one is. A
// supervisor that gave up ends in the same way.
func Example_errShutdown() {
	session := child.Plain(func(context.Context) error {
		return fmt.Errorf("logged out: %w", child.ErrShutdown)
	})
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "session", Run: session, Restart: child.Transient},
	}})
	ctx := context.Background()
	completed := root.Watch(ctx, "session", supervisor.EventCompleted)
	_ = root.Start(ctx)
	fmt.Println((<-completed).Err)
	st, _ := root.Lookup("session")
	fmt.Println(st.State)
	_ = root.Stop(ctx)
	// Output:
	// logged out: shut down
	// done
}
