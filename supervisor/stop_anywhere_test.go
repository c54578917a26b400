package supervisor_test

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestStopBeforeTheStartAndAfterTheEndIsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: idle}}})
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Start(t.Context()), "it is not held against a later start")
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, sup.Wait())
	})
}

func TestStopWhileStartingGivesTheStartUp(t *testing.T) {
	release := func(ctx child.Context) error { return never(ctx) }
	for _, tc := range []struct {
		name string
		b    child.Spec
	}{
		{"a child that starts", child.Spec{Run: release}},
		{"a child that starts slowly", child.Spec{Run: slow(time.Hour, 0)}},
		{"a child that waits for its retry", child.Spec{Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)}},
		{"a task", child.Spec{Run: child.Task(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			underEach(t, func(t *testing.T, s strategy.Strategy) {
				tc.b.Name = "b"
				sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: slow(0, time.Second)}, tc.b,
				}})
				recorded := record(t, sup, supervisor.EventFailed)
				began := time.Now()
				started := make(chan error, 1)
				go func() { started <- sup.Start(t.Context()) }()
				synctest.Wait()
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, time.Second, time.Since(began))
				err := <-started
				require.ErrorIs(t, err, child.ErrStopped)
				require.EqualError(t, err, "/root: stopped")
				require.Zero(t, sup.Count().Active)
				for _, e := range recorded.take() {
					require.Equal(t, errBoom, e.Err, "a stopped start is no failure")
				}
			})
		})
	}
}

func TestStopWhileAChildIsStuckInItsStartIsBounded(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		release := make(chan struct{})
		defer close(release)
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: func(child.Context) error { <-release; return nil }},
		}})
		began := time.Now()
		served := make(chan error, 1)
		go func() { served <- sup.Serve(t.Context()) }()
		synctest.Wait()
		require.Equal(t, []string{"/root/a 5s"}, left(t, sup.Stop(t.Context())))
		require.Equal(t, []string{"/root/a 5s"}, left(t, <-served))
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestStopFromManyGoroutinesIsOneStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)}, {Name: "b", Run: slow(0, time.Second)},
		}})
		recorded := record(t, sup, stopKinds...)
		began := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, 2*time.Second, time.Since(began), "each waits for the end")
			})
		}
		all.Wait()
		require.Equal(t, []string{"stopping b", "stopped b", "stopping a", "stopped a"}, recorded.lines())
	})
}

func TestStopInTheMiddleOfAGroupRestart(t *testing.T) {
	for at, want := range map[time.Duration][]string{
		500 * time.Millisecond:  {"stopped c", "stopping b", "stopped b"},
		1500 * time.Millisecond: {"stopped b"},
		2500 * time.Millisecond: {"stopping a", "stopped a"},
		3500 * time.Millisecond: {"stopping b", "stopped b", "stopping a", "stopped a"},
	} {
		t.Run(at.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				runs := 0
				sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
					{Name: "a", Run: func(ctx child.Context) error {
						if runs++; runs == 1 {
							return p.Run(ctx)
						}
						return slow(time.Second, 0)(ctx)
					}},
					{Name: "b", Run: slow(time.Second, time.Second)}, {Name: "c", Run: slow(time.Second, time.Second)},
				}})
				p.end(errBoom)
				time.Sleep(at)
				recorded := record(t, sup)
				require.NoError(t, sup.Stop(t.Context()))
				require.Equal(t, want, recorded.lines())
				time.Sleep(time.Minute)
				require.Zero(t, sup.Count().Active)
			})
		})
	}
}

func TestLaterStopWithLessTimeShortensAnEarlierOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(0, 3*time.Second)}, {Name: "b", Run: slow(0, 3*time.Second)}, {Name: "c", Run: slow(0, 3*time.Second)},
		}})
		began := time.Now()
		first := make(chan error, 1)
		go func() { first <- sup.Stop(context.Background()) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, sup.Stop(ctx))
		require.NoError(t, <-first)
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func TestStopFromAChildWithItsOwnContextDoesNotWait(t *testing.T) {
	for _, depth := range []int{0, 1, 3} {
		underEach(t, func(t *testing.T, s strategy.Strategy) {
			var root *supervisor.Supervisor
			asked := make(chan time.Time, 1)
			run := func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				time.Sleep(time.Minute)
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				require.NoError(t, root.Stop(derived))
				asked <- time.Now()
				<-ctx.Done()
				require.ErrorIs(t, context.Cause(ctx), child.ErrStopped)
				return nil
			}
			for range depth {
				run = supervisor.New(supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "x", Run: run}}}).Run
			}
			root = newRoot(supervisor.Spec{Strategy: s, StopTimeout: 10 * time.Second, Children: []child.Spec{
				{Name: "a", Run: run}, {Name: "b", Run: slow(0, time.Second)},
			}})
			began := time.Now()
			require.NoError(t, root.Serve(t.Context()))
			require.Equal(t, time.Minute+time.Second, time.Since(began))
			require.Equal(t, began.Add(time.Minute), <-asked)
		})
	}
}

func TestStopFromAChildThatWaitsForItIsBounded(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		var root *supervisor.Supervisor
		answer := make(chan error, 1)
		root = newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				answer <- root.Stop(context.Background())
				return nil
			}},
		}})
		began := time.Now()
		require.Equal(t, []string{"/root/a 5s"}, left(t, root.Serve(t.Context())))
		require.Equal(t, 5*time.Second, time.Since(began))
		require.Equal(t, []string{"/root/a 5s"}, left(t, <-answer))
		synctest.Wait()
		require.NoError(t, root.Stop(t.Context()), "now it has returned")
	})
}

func TestStopFromASubscriber(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run}, {Name: "b", Run: slow(0, time.Second)},
		}})
		var seen []string
		answer := make(chan error, 1)
		defer sup.Subscribe(func(e supervisor.Event) {
			seen = append(seen, e.Kind.String())
			if e.Kind == supervisor.EventFailed {
				answer <- sup.Stop(context.Background())
			}
		})()
		ended := make(chan error, 1)
		go func() { ended <- sup.Serve(t.Context()) }()
		synctest.Wait()
		p.end(errBoom)
		require.NoError(t, <-answer)
		require.NoError(t, <-ended)
		synctest.Wait()
		require.Equal(t, "over", seen[len(seen)-1], "it hears of the end of the stop too")
	})
}

func TestStopFromDecide(t *testing.T) {
	for _, waits := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			var sup *supervisor.Supervisor
			var own context.Context
			sup = newRoot(supervisor.Spec{Children: []child.Spec{
				{
					Name: "a",
					Run: func(ctx child.Context) error {
						own = ctx
						return p.Run(ctx)
					},
					Decide: func(err error) error {
						if waits {
							own = context.Background()
						}
						_ = sup.Stop(own)
						return err
					},
				},
			}})
			ended := make(chan error, 1)
			go func() { ended <- sup.Serve(t.Context()) }()
			synctest.Wait()
			began := time.Now()
			p.end(errBoom)
			err := <-ended
			if waits {
				require.Equal(t, []string{"/root/a 5s"}, left(t, err), "it is waited for, and waits")
				require.Equal(t, 5*time.Second, time.Since(began))
			} else {
				require.Equal(t, []string{"/root/a: boom"}, unclean(t, err), "it crashed, and is not restarted any more")
				require.Zero(t, time.Since(began))
			}
		})
	}
}

func TestStopFromARunThatHasReturnedDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		contexts := make(chan child.Context, 1)
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Restart: child.Transient, Run: child.Plain(func(ctx context.Context) error {
				contexts <- child.FromContext(ctx)
				return nil
			})},
			{Name: "b", Run: slow(0, time.Second)},
		}})
		began := time.Now()
		require.NoError(t, sup.Stop(<-contexts))
		require.Zero(t, time.Since(began))
		require.NoError(t, sup.Wait())
	})
}

// goroutines counts those of the bubble that its caller runs in.
func goroutines() int {
	dump := make([]byte, 1<<20)
	dump = dump[:runtime.Stack(dump, true)]
	own, _, _ := bytes.Cut(dump, []byte("\n"))
	_, bubble, _ := bytes.Cut(own, []byte("synctest bubble "))
	return bytes.Count(dump, append([]byte("synctest bubble "), bubble...))
}

func TestStopLeavesNoGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before := goroutines()
		for range 10 {
			inner := supervisor.New(supervisor.Spec{Strategy: strategy.Independent})
			sup := newRoot(supervisor.Spec{StopTimeout: time.Minute, Children: []child.Spec{
				{Name: "inner", Run: inner.Run},
				{Name: "waits", Run: child.Plain(func(context.Context) error { return errBoom }), Backoff: child.Constant(time.Hour)},
				{Name: "beats", Run: idle, Heartbeat: time.Hour},
			}})
			require.NoError(t, sup.Start(t.Context()))
			for range 20 {
				require.NoError(t, inner.StartChild(t.Context(), child.Spec{Name: child.UniqueName("j"), Run: slow(time.Second, time.Second)}))
			}
			synctest.Wait()
			require.Equal(t, before+1+1+20, goroutines(), "one for each run, none for the child that waits")
			require.NoError(t, sup.Stop(t.Context()))
			synctest.Wait()
			require.Equal(t, before, goroutines())
		}
	})
}
