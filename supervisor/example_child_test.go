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

// What becomes of a child that ended by itself, by child.Spec.Restart.
func Example_restart() {
	for _, restart := range []child.Restart{child.Permanent, child.Transient, child.Temporary} {
		for _, end := range []error{nil, errors.New("broken")} {
			c := make(chan error)
			root := supervisor.New(supervisor.Spec{Logger: quiet, Backoff: child.Constant(time.Hour),
				Children: []child.Spec{{Name: "a", Run: failsWith(c), Restart: restart}}})
			_ = root.Start(context.Background())
			completed, failed, again, removed := watch(root, supervisor.EventCompleted), watch(root, supervisor.EventFailed),
				watch(root, supervisor.EventRestarting), watch(root, supervisor.EventRemoved)
			c <- end
			select {
			case <-completed:
			case <-failed:
			}
			switch {
			case restart == child.Temporary:
				<-removed
			case restart == child.Permanent, end != nil:
				<-again
			}
			state := "forgotten"
			if st, ok := root.Lookup("a"); ok {
				state = st.State.String()
			}
			fmt.Printf("%v, %v: %v\n", restart, end, state)
			_ = root.Stop(context.Background())
		}
	}
	// Output:
	// permanent, <nil>: waiting
	// permanent, broken: waiting
	// transient, <nil>: done
	// transient, broken: waiting
	// temporary, <nil>: forgotten
	// temporary, broken: forgotten
}

// With AllSignificant the supervisor ends with the last of its significant children.
func Example_significant() {
	work := func(name string) child.Spec {
		return child.Spec{Name: name, Restart: child.Transient, Significant: true, Run: child.Plain(func(context.Context) error { return nil })}
	}
	root := supervisor.New(supervisor.Spec{
		AutoShutdown: strategy.AllSignificant,
		Children:     []child.Spec{{Name: "db", Run: speak}, work("half"), work("other-half")},
	})
	fmt.Println(root.Serve(context.Background()))
	// Output:
	// /root/db starts
	// /root/db stops
	// <nil>
}

// A start that takes too long has failed.
func Example_startTimeout() {
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
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

// What is to be done between the end of ctx and the stop timeout is done with
// ctx.Grace: it ends a little earlier, so that a forced close still fits in.
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

// The database is not up yet: try again, and have the start of the tree wait.
func Example_retryStart() {
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "db", RetryStart: true, Backoff: child.Constant(time.Millisecond), Run: func(ctx child.Context) error {
			if ctx.Restarts() < 2 {
				fmt.Println("connection refused")
				return errors.New("connection refused")
			}
			return speak(ctx)
		}},
		{Name: "api", Run: speak},
	}})
	fmt.Println(root.Start(context.Background()))
	_ = root.Stop(context.Background())
	// Output:
	// connection refused
	// connection refused
	// /root/db starts
	// /root/api starts
	// <nil>
	// /root/api stops
	// /root/db stops
}

// Of child.Spec.Backoff the child waits with its next start in sight, and holds
// up nobody else. A restart that somebody asks for comes at once.
func Example_backoff() {
	c := make(chan error)
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "feed", Run: failsWith(c), Backoff: child.Constant(time.Minute)},
	}})
	_ = root.Start(context.Background())
	again := watch(root, supervisor.EventRestarting)
	c <- errors.New("timeout")
	fmt.Println("next start in", (<-again).Delay)
	st, _ := root.Lookup("feed")
	fmt.Println(st.State, time.Until(st.NextStart).Round(time.Minute))

	fmt.Println(root.RestartChild(context.Background(), "feed"))
	st, _ = root.Lookup("feed")
	fmt.Println(st.State)
	_ = root.Stop(context.Background())
	// Output:
	// next start in 1m0s
	// waiting 1m0s
	// <nil>
	// running
}

// A run that was ready for ResetAfter begins the backoff anew: here one retry
// is enough for any number of failures, as long as they do not follow at once.
func Example_resetAfter() {
	c := make(chan error)
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "feed", Run: failsWith(c), Backoff: child.Constant(0).Retries(1), ResetAfter: time.Millisecond},
	}})
	ready := watch(root, supervisor.EventReady)
	_ = root.Start(context.Background())
	for range 3 {
		<-ready
		child.Sleep(context.Background(), 2*time.Millisecond) // healthy for a while
		c <- errors.New("timeout")
	}
	<-ready
	fmt.Println(root.Health())
	_ = root.Stop(context.Background())
	// Output: <nil>
}

// A child that hangs is found by its heartbeat, stopped and restarted.
func Example_heartbeat() {
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "worker", Heartbeat: 20 * time.Millisecond, Run: func(ctx child.Context) error {
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
		}},
	}})
	failed, ready := watch(root, supervisor.EventFailed), watch(root, supervisor.EventReady)
	_ = root.Start(context.Background())
	<-ready
	fmt.Println((<-failed).Err)
	<-ready
	_ = root.Stop(context.Background())
	// Output: no heartbeat
}

// Decide says what an end shall count as.
func Example_decide() {
	errConfig, errClosed := errors.New("bad config"), errors.New("closed by peer")
	decide := func(err error) error {
		switch {
		case errors.Is(err, errConfig): // a restart will not help
			return child.Escalate(err)
		case errors.Is(err, errClosed): // is how it ends
			return child.ErrDone
		}
		return err
	}
	for _, end := range []error{errClosed, errConfig} {
		root := supervisor.New(supervisor.Spec{
			AutoShutdown: strategy.AnySignificant,
			Children: []child.Spec{{
				Name: "feed", Restart: child.Transient, Significant: true, Decide: decide,
				Run: child.Plain(func(context.Context) error { return fmt.Errorf("feed: %w", end) }),
			}},
			Logger: quiet,
		})
		fmt.Println(root.Serve(context.Background()))
	}
	// Output:
	// <nil>
	// /root: gave up: escalated: /root/feed: escalated: feed: bad config
}

// A failure that concerns more than the child: the supervisor gives up at once.
func Example_escalate() {
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "db", Run: speak},
		{Name: "journal", Run: child.Plain(func(context.Context) error {
			return child.Escalate(errors.New("disk is gone"))
		})},
	}})
	fmt.Println(root.Serve(context.Background()))
	// Output:
	// /root/db starts
	// /root/db stops
	// /root: gave up: escalated: /root/journal: escalated: disk is gone
}

// A child that is not to be run returns ErrIgnore before it is ready. Its spec
// stays, so that RestartChild can start it later.
func Example_errIgnore() {
	enabled := false
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "metrics", Run: func(ctx child.Context) error {
			if !enabled {
				return child.ErrIgnore
			}
			return speak(ctx)
		}},
		{Name: "api", Run: speak},
	}})
	fmt.Println(root.Start(context.Background()), root.Health())
	enabled = true
	fmt.Println(root.RestartChild(context.Background(), "metrics"))
	_ = root.Stop(context.Background())
	// Output:
	// /root/api starts
	// <nil> <nil>
	// /root/metrics starts
	// <nil>
	// /root/api stops
	// /root/metrics stops
}

// ErrDone wants no restart, whatever the child's type. A task returns it: the
// next child starts when its work is done.
func Example_errDone() {
	root := supervisor.New(supervisor.Spec{Children: []child.Spec{
		{Name: "migrate", Run: child.Task(func(context.Context) error {
			fmt.Println("migrated")
			return nil
		})},
		{Name: "warm-up", Run: func(child.Context) error { return fmt.Errorf("nothing to do: %w", child.ErrDone) }},
		{Name: "api", Run: speak},
	}})
	completed := watch(root, supervisor.EventCompleted)
	_ = root.Start(context.Background())
	<-completed
	<-completed
	for _, st := range root.Children(child.Done) {
		fmt.Println(st.Path, st.Restart, st.State)
	}
	_ = root.Stop(context.Background())
	// Output:
	// migrated
	// /root/api starts
	// /root/migrate permanent done
	// /root/warm-up permanent done
	// /root/api stops
}

// ErrShutdown is an end for which a Transient child is not restarted, a
// Permanent one is. A supervisor that gave up ends so, too.
func Example_errShutdown() {
	c := make(chan error)
	root := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
		{Name: "session", Run: failsWith(c), Restart: child.Transient},
	}})
	_ = root.Start(context.Background())
	completed := watch(root, supervisor.EventCompleted)
	c <- fmt.Errorf("logged out: %w", child.ErrShutdown)
	fmt.Println((<-completed).Err)
	_ = root.Stop(context.Background())
	// Output: logged out: shut down
}
