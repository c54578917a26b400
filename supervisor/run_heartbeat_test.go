package supervisor_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A patient is a child whose first run stops beating after a while, and lingers
// after it was stopped. Later runs beat for ever.
type patient struct {
	every, until, lingers time.Duration
	runs                  atomic.Int32
	cause                 atomic.Value // of the first run
}

func (p *patient) Run(ctx child.Context) error {
	first := p.runs.Add(1) == 1
	if err := ctx.Ready(); err != nil {
		return err
	}
	for began := time.Now(); !child.Sleep(ctx, p.every); {
		if !first || time.Since(began) <= p.until {
			ctx.Heartbeat()
		}
	}
	if first {
		p.cause.Store(context.Cause(ctx))
		hang(p.lingers)
	}
	return nil
}

func hang(d time.Duration) { time.Sleep(d) }

func TestChildWithARegularHeartbeatIsNotHung(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &patient{every: 999 * time.Millisecond, until: 24 * time.Hour}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second}}})
		recorded := record(t, sup)
		time.Sleep(time.Hour)
		require.Empty(t, recorded.take())
		require.EqualValues(t, 1, p.runs.Load())
	})
}

// From the last heartbeat on, not from the last look at it.
func TestChildIsHungWhenItsHeartbeatIsOverdue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// It beats at 0.7, 1.4, 2.1 and 2.8 s, and hangs at 3.8.
		p := &patient{every: 700 * time.Millisecond, until: 3 * time.Second}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second}}})
		recorded := record(t, sup)
		time.Sleep(3799 * time.Millisecond)
		require.Empty(t, recorded.take())
		time.Sleep(time.Millisecond)
		require.Equal(t, []string{"hung a", "stopping a", "stopped a", "failed a", "restarting a", "starting a", "ready a"}, recorded.lines())
		require.Same(t, child.ErrHung, p.cause.Load())
		st, _ := sup.Lookup("a")
		require.Same(t, child.ErrHung, st.LastError)
		require.Equal(t, 1, st.Restarts)
		time.Sleep(time.Hour)
		require.Empty(t, recorded.take(), "the next run is fed")
	})
}

func TestEventHungShowsWhereItHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "fine", Run: (&patient{every: time.Second, until: time.Hour}).Run, Heartbeat: 2 * time.Second},
			{Name: "hung", Run: func(ctx child.Context) error {
				_ = ctx.Ready()
				hang(3 * time.Second)
				return nil
			}, Heartbeat: 2 * time.Second},
		}})
		recorded := record(t, sup, supervisor.EventHung)
		time.Sleep(2500 * time.Millisecond)
		events := recorded.take()
		require.Len(t, events, 1)
		require.Equal(t, "/root/hung", events[0].Path)
		require.Contains(t, string(events[0].Stack), "supervisor_test.hang(")
		require.NotContains(t, string(events[0].Stack), "patient")
		time.Sleep(time.Second)
	})
}

func TestHungChildIsRestartedAsItsRestartSays(t *testing.T) {
	for restart, want := range map[child.Restart]string{
		child.Permanent: "running", child.Transient: "running", child.Temporary: "gone",
	} {
		t.Run(restart.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := &patient{every: 100 * time.Millisecond}
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Restart: restart, Heartbeat: time.Second}}})
				recorded := record(t, sup)
				time.Sleep(1500 * time.Millisecond)
				require.Equal(t, want, aftermathOf(sup, recorded).left)
			})
		})
	}
}

func TestHungChildCountsAsARestartAndRestartsItsGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, w := &patient{every: 100 * time.Millisecond}, new(witness)
		start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
			{Name: "a", Run: p.Run, Heartbeat: time.Second}, {Name: "w", Run: w.Run},
		}})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		requireCause(t, child.ErrSibling, w.causes)
	})
	bubble(t, func(t *testing.T) {
		p := &patient{every: 100 * time.Millisecond}
		sup := start(t, supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second}}})
		time.Sleep(1500 * time.Millisecond)
		require.ErrorIs(t, sup.Wait(), child.ErrHung)
	})
}

func TestHungChildThatDoesNotReturnIsAbandonedThenRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &patient{every: 100 * time.Millisecond, lingers: 10 * time.Second}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second, StopTimeout: 2 * time.Second}}})
		recorded := record(t, sup)
		time.Sleep(2900 * time.Millisecond)
		require.Equal(t, []string{"hung a", "stopping a"}, recorded.lines())
		require.Equal(t, child.Stopping, state(t, sup, "a"))
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, []string{"abandoned a", "failed a", "restarting a", "starting a", "ready a"}, recorded.lines())
		st, _ := sup.Lookup("a")
		require.Equal(t, child.Running, st.State)
		require.Equal(t, 1, st.Abandoned)
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"late-exit a"}, recorded.lines())
		st, _ = sup.Lookup("a")
		require.Zero(t, st.Abandoned)
		require.EqualValues(t, 2, p.runs.Load())
	})
}

func TestHeartbeatIsNotExpectedBeforeReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		recorded := record(t, sup, supervisor.EventHung)
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "a", Heartbeat: time.Second, Run: func(ctx child.Context) error {
			time.Sleep(time.Minute)
			_ = ctx.Ready()
			time.Sleep(999 * time.Millisecond)
			ctx.Heartbeat()
			time.Sleep(999 * time.Millisecond)
			return child.ErrDone
		}}))
		time.Sleep(5 * time.Second)
		require.Empty(t, recorded.take())
		require.Equal(t, child.Done, state(t, sup, "a"))
	})
}

func TestHeartbeatIsNotExpectedWhileStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &patient{every: 100 * time.Millisecond, until: time.Hour, lingers: 4 * time.Second}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second}}})
		time.Sleep(time.Minute)
		recorded := record(t, sup)
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.Equal(t, []string{"stopping a", "stopped a"}, recorded.lines())
	})
}

// Only Heartbeat feeds the watchdog: a timer that calls the others proves nothing.
func TestOtherCallsAreNoHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Restart: child.Temporary, Heartbeat: time.Second, Run: func(ctx child.Context) error {
			for !child.Sleep(ctx, 100*time.Millisecond) {
				_ = ctx.Ready()
				ctx.Unready(errBoom)
				ctx.OnError(errBoom)
				ctx.Grace()
			}
			return nil
		}}}})
		recorded := record(t, sup, supervisor.EventHung)
		time.Sleep(2 * time.Second)
		require.Len(t, recorded.take(), 1)
	})
}

func TestHeartbeatOfAnEarlierRunDoesNotCountForTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var first child.Context
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Heartbeat: time.Second, Run: func(ctx child.Context) error {
			if first == nil {
				first = ctx
			}
			return p.Run(ctx)
		}}}})
		p.end(errBoom)
		recorded := record(t, sup, supervisor.EventHung)
		for range 11 {
			first.Heartbeat()
			time.Sleep(100 * time.Millisecond)
		}
		require.Len(t, recorded.take(), 1)
	})
}

func TestHeartbeatCallWithoutAHeartbeatHasNoEffect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &patient{every: time.Minute}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run}}})
		recorded := record(t, sup)
		time.Sleep(time.Hour)
		require.Empty(t, recorded.take())
	})
}

// The time that a child was hung in does not count as a healthy one.
func TestHungRunDoesNotResetTheBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		runs := 0
		sup := start(t, supervisor.Spec{Children: []child.Spec{{
			Name: "a", Heartbeat: time.Hour, ResetAfter: time.Second, Backoff: child.Constant(time.Second).Retries(2),
			Run: func(ctx child.Context) error {
				runs++
				_ = ctx.Ready()
				<-ctx.Done()
				return nil
			},
		}}})
		time.Sleep(4 * time.Hour)
		require.ErrorIs(t, sup.Wait(), child.ErrHung)
		require.Equal(t, 3, runs)
	})
}

func TestUpgradeMayLengthenTheHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run := func(ctx child.Context) error {
			child.Sleep(ctx, time.Minute) // what counts begins with Ready
			return newPuppet().Run(ctx)
		}
		spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: run, Heartbeat: time.Second}}}
		sup := start(t, spec)
		recorded := record(t, sup, supervisor.EventHung)
		spec.Children = []child.Spec{{Name: "a", Run: run, Heartbeat: 3 * time.Second}}
		require.NoError(t, sup.Upgrade(spec))
		time.Sleep(2999 * time.Millisecond)
		require.Empty(t, recorded.take())
		time.Sleep(time.Millisecond)
		require.Len(t, recorded.take(), 1)
	})
}

func TestUpgradeMayRemoveTheHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &patient{every: time.Minute}
		spec := supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "a", Run: p.Run, Heartbeat: time.Second}}}
		sup := start(t, spec)
		recorded := record(t, sup)
		spec.Children = []child.Spec{{Name: "a", Run: p.Run}}
		require.NoError(t, sup.Upgrade(spec))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, recorded.take())
	})
}
