package supervisor_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestReadyMayBeCalledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var again []error
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
			again = append(again, ctx.Ready(), ctx.Ready())
			time.Sleep(time.Second)
			again = append(again, ctx.Ready())
			<-ctx.Done()
			return nil
		}}))
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"starting a", "ready a"}, recorded.lines(), "reported once")
		require.Equal(t, []error{nil, nil, nil}, again)
	})
}

func TestReadyFromAnotherGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, began := start(t, supervisor.Spec{}), time.Now()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
			go func() {
				time.Sleep(time.Second)
				_ = child.FromContext(context.WithoutCancel(ctx)).Ready()
			}()
			<-ctx.Done()
			return nil
		}}))
		require.Equal(t, time.Second, time.Since(began))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

func TestReadyAfterTheStopReturnsTheCause(t *testing.T) {
	for _, before := range []bool{true, false} { // whether it was ready before, too
		bubble(t, func(t *testing.T) {
			var late error
			sup := start(t, supervisor.Spec{})
			go func() {
				_ = sup.StartChild(context.Background(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
					if before {
						_ = ctx.Ready()
					}
					<-ctx.Done()
					late = ctx.Ready()
					return late
				}})
			}()
			synctest.Wait()
			recorded := record(t, sup)
			require.NoError(t, sup.RemoveChild(t.Context(), "a"))
			require.Same(t, child.ErrRemoved, late)
			require.Equal(t, []string{"stopping a", "stopped a", "removed a"}, recorded.lines())
		})
	}
}

func TestReadyAfterTheEndReturnsAnErrorAndChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first child.Context
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if first == nil {
				first = ctx
				return p.Run(ctx)
			}
			<-ctx.Done() // the second run is never ready
			return nil
		}}}})
		p.end(errBoom)
		require.Equal(t, child.Starting, state(t, sup, "a"))
		require.ErrorIs(t, first.Ready(), context.Canceled)
		require.Equal(t, child.Starting, state(t, sup, "a"), "the first run's word is not the second's")
		require.NoError(t, sup.Stop(t.Context()))
		require.ErrorIs(t, first.Ready(), context.Canceled)
	})
}

func TestLateReadyOfAnAbandonedRunIsRefused(t *testing.T) {
	for _, atOnce := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			release, late := make(chan struct{}), make(chan error, 1)
			var runs atomic.Int32
			spec := child.Spec{Name: "a", StartTimeout: time.Second, StopTimeout: time.Second, RetryStart: true, Run: func(ctx child.Context) error {
				if runs.Add(1) > 1 {
					<-ctx.Done()
					return nil
				}
				<-release
				late <- ctx.Ready()
				return nil
			}}
			if atOnce {
				spec.StopTimeout = child.AtOnce
			}
			sup := start(t, supervisor.Spec{})
			go func() { _ = sup.StartChild(context.Background(), spec) }()
			time.Sleep(2500 * time.Millisecond)
			require.NotEqual(t, child.Running, state(t, sup, "a"))
			close(release)
			require.Same(t, child.ErrStartTimeout, <-late)
			require.NotEqual(t, child.Running, state(t, sup, "a"))
			require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		})
	}
}

// Whichever comes first, the run and the caller agree: either the start
// succeeded and then the child was stopped, or Ready got the cause.
func TestReadyAndStopAtTheSameTime(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	sup := start(t, supervisor.Spec{})
	for i := range 200 {
		var (
			both  sync.WaitGroup
			name  = fmt.Sprint("a", i)
			began = make(chan struct{})
			ready error
		)
		started := make(chan error, 1)
		go func() {
			started <- sup.StartChild(context.Background(), child.Spec{Name: name, Run: func(ctx child.Context) error {
				close(began)
				if ready = ctx.Ready(); ready != nil {
					return ready
				}
				<-ctx.Done()
				return nil
			}})
		}()
		<-began
		both.Go(func() { require.NoError(t, sup.RemoveChild(context.Background(), name)) })
		err := <-started
		both.Wait()
		if ready == nil {
			require.NoError(t, err)
		} else {
			require.Same(t, child.ErrRemoved, ready)
			require.ErrorIs(t, err, child.ErrRemoved)
		}
	}
	require.Empty(t, sup.Children())
}

func TestUnreadyAndReadyAreReportedAndShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		say := make(chan func(child.Context))
		sup := start(t, supervisor.Spec{Name: "shop", Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			ctx.Unready(errBoom) // too early: no effect
			if err := ctx.Ready(); err != nil {
				return err
			}
			for {
				select {
				case <-ctx.Done():
					ctx.Unready(errBoom) // too late: no effect
					return nil
				case f := <-say:
					f(ctx)
				}
			}
		}}}})
		recorded := record(t, sup)
		do := func(f func(child.Context)) []supervisor.Event {
			say <- f
			return recorded.take()
		}
		unready := func() error {
			st, _ := sup.Lookup("a")
			require.Equal(t, child.Running, st.State, "it stays Running")
			return st.Unready
		}
		require.NoError(t, unready())

		events := do(func(ctx child.Context) { ctx.Unready(errBoom) })
		require.Len(t, events, 1)
		require.Equal(t, supervisor.EventUnready, events[0].Kind)
		require.Same(t, errBoom, events[0].Err)
		require.Same(t, errBoom, unready())
		require.EqualError(t, sup.Health(), "/shop/a: not ready: boom")
		require.ErrorIs(t, sup.Health(), errBoom)
		require.ErrorIs(t, sup.Health(), child.ErrNotReady)

		events = do(func(ctx child.Context) { ctx.Unready(nil) })
		require.Len(t, events, 1)
		require.Same(t, child.ErrNotReady, unready(), "nil is no news of health")
		require.ErrorIs(t, sup.Health(), child.ErrNotReady)

		events = do(func(ctx child.Context) { _ = ctx.Ready() })
		require.Len(t, events, 1)
		require.Equal(t, supervisor.EventReady, events[0].Kind)
		require.NoError(t, unready())
		require.NoError(t, sup.Health())

		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"stopping a", "stopped a"}, recorded.lines())
		st, _ := sup.Lookup("a")
		require.NoError(t, st.Unready)
		require.Zero(t, st.Restarts)
	})
}

func TestUnreadyOfAnAbandonedRunIsNotShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", StopTimeout: time.Second, Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			ctx.Unready(errBoom)
			<-release
			return nil
		}}}})
		synctest.Wait()
		require.Error(t, sup.StopChild(t.Context(), "a"))
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Stopped, st.State)
		require.NoError(t, st.Unready)
		close(release)
	})
}

func TestOnErrorIsOnlyReportedAndShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var of child.Context
		p := newPuppet()
		sup := start(t, supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			of = ctx
			return p.Run(ctx)
		}}}})
		recorded := record(t, sup)
		of.OnError(nil)
		require.Empty(t, recorded.take())
		of.OnError(errBoom)
		events := recorded.take()
		require.Len(t, events, 1)
		require.Equal(t, supervisor.EventError, events[0].Kind)
		require.Equal(t, "/root/a", events[0].Path)
		require.Same(t, errBoom, events[0].Err)
		st, _ := sup.Lookup("a")
		require.Same(t, errBoom, st.LastError)
		require.Equal(t, child.Running, st.State)
		require.NoError(t, sup.Health())
		require.NoError(t, of.Err())
	})
}

func TestOnErrorBeforeReadyAndWhileStoppingIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup, supervisor.EventError)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
			ctx.OnError(errBoom)
			_ = ctx.Ready()
			<-ctx.Done()
			ctx.OnError(errSignal)
			return nil
		}}))
		require.Len(t, recorded.take(), 1)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Len(t, recorded.take(), 1)
		st, _ := sup.Lookup("a")
		require.Same(t, errSignal, st.LastError)
	})
}

func TestOnErrorAfterTheEndIsNotTheNextRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup, first := startKeepingContext(t, p)
		p.end(errBoom)
		first.OnError(errSignal)
		st, _ := sup.Lookup("a")
		require.Same(t, errBoom, st.LastError)
	})
}
