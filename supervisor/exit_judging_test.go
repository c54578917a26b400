package supervisor_test

import (
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
	"github.com/coppice-go/coppice/supervisortest"
)

// After Run has returned, its end is judged before the supervisor learns of it. User code
// does that: Decide, and the methods of the error.

// asksFirst is an error whose Is calls something.
type asksFirst struct {
	error
	call func()
}

func (e asksFirst) Is(error) bool { e.call(); return false }

func TestContextIsCancelledWhileTheErrorOfTheRunIsExamined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup, supervisor.EventReady, supervisor.EventUnready)
		err := sup.StartChild(t.Context(), child.Spec{Name: "a", Run: func(ctx child.Context) error {
			return asksFirst{errBoom, func() {
				asked++
				require.Equal(t, context.Canceled, ctx.Err())
				require.Equal(t, context.Canceled, context.Cause(ctx))
				require.Equal(t, context.Canceled, ctx.Ready())
				ctx.Unready(errBoom)
				require.Error(t, ctx.Grace().Err(), "there is nothing left to clean up")
				require.ErrorIs(t, supervisor.New(supervisor.Spec{}).Run(ctx), supervisor.ErrNotRunning)
			}}
		}})
		require.Error(t, err)
		require.NotZero(t, asked)
		require.Empty(t, recorded.take())
	})
}

func TestStackOfAnAbandonedRunThatHangsWhileItsEndIsJudged(t *testing.T) {
	for name, decide := range map[string]func(release chan struct{}) error{
		"in Decide":        func(release chan struct{}) error { <-release; return errBoom },
		"in an error's Is": func(release chan struct{}) error { return asksFirst{errBoom, func() { <-release }} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release, p, deaf := make(chan struct{}), newPuppet(), &supervisortest.Child{StopAfter: child.Forever}
				defer deaf.Release()
				defer close(release)
				sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
					{Name: "a", Run: p.Run, Decide: func(error) error { return decide(release) }},
					{Name: "b", Run: deaf.Run},
				}})
				p.end(nil)
				var stop *supervisor.StopError
				require.ErrorAs(t, sup.Stop(t.Context()), &stop)
				require.Len(t, stop.Abandoned, 2)
				require.Equal(t, "/root/a", stop.Abandoned[1].Path)
				require.Contains(t, string(stop.Abandoned[1].Stack), "exit_judging_test.go")
				require.NotContains(t, string(stop.Abandoned[1].Stack), "supervisortest.(*Child)")
			})
		})
	}
}

func TestRunThatHangsInDecideIsReportedWithItsStack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		release := make(chan struct{})
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Heartbeat: time.Second, Decide: func(err error) error { <-release; return err }},
		}})
		defer close(release)
		recorded := record(t, sup, supervisor.EventHung)
		p.end(errBoom)
		time.Sleep(2 * time.Second)
		events := recorded.take()
		require.Len(t, events, 1)
		require.Contains(t, string(events[0].Stack), "exit_judging_test.go")
	})
}

// A goroutine that has seen the context of its run cancelled is too late to call Ready.
// Cancelling a context takes a while if many contexts are derived from it.
func TestReadyAfterDoneIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := startLoosely(t, supervisor.Spec{}) // start would put a context of its own in between
		for range 5 {
			var hangOn []context.CancelFunc
			var late sync.WaitGroup
			var answer error
			err := sup.StartChild(t.Context(), child.Spec{Name: "a", Restart: child.Temporary, Run: func(ctx child.Context) error {
				for range 2000 {
					_, cancel := context.WithCancel(ctx)
					hangOn = append(hangOn, cancel)
				}
				late.Go(func() {
					<-ctx.Done()
					answer = ctx.Ready()
				})
				return errBoom
			}})
			late.Wait()
			require.ErrorIs(t, answer, context.Canceled)
			require.ErrorIs(t, err, errBoom, "its start has failed")
			synctest.Wait()
		}
	})
}

// A grace that is first requested when Run has returned, before the supervisor has looked
// for one, ends with the run all the same.
func TestGraceAskedForWhileTheEndOfAStopIsJudgedEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var grace context.Context
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			<-ctx.Done()
			return asksFirst{errBoom, func() { grace = ctx.Grace() }}
		}}}})
		began := time.Now()
		require.Len(t, unclean(t, sup.Stop(t.Context())), 1)
		require.Zero(t, time.Since(began))
		synctest.Wait()
		require.ErrorIs(t, grace.Err(), context.Canceled)
	})
}

// A stop is recorded before the context of the run is cancelled. A run that returns in
// between has been stopped, for that cause.
func TestCauseOfARunThatReturnsBeforeItsContextIsCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for range 20 {
			cause := make(chan error, 1)
			sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
				{Name: "asked first", Run: func(ctx child.Context) error {
					for range 5000 { // so that to end its context takes a while
						_, cancel := context.WithCancel(ctx)
						defer cancel()
					}
					return idle(ctx)
				}},
				{Name: "asked second", Run: func(ctx child.Context) error {
					context.AfterFunc(ctx, func() { cause <- context.Cause(ctx) })
					for ctx.Ready() == nil {
						runtime.Gosched()
					}
					return nil
				}},
			}})
			require.NoError(t, sup.Stop(t.Context()))
			require.ErrorIs(t, <-cause, child.ErrStopped)
		}
	})
}
