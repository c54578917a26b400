package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

var ordered = []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne}

func TestChildrenStartInOrderEachWhenTheOneBeforeIsReady(t *testing.T) {
	for _, s := range ordered {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: slow(time.Second, 0)},
					{Name: "b", Run: slow(0, 0)},
					{Name: "c", Run: slow(2*time.Second, 0)},
				}})
				recorded := record(t, sup)
				began := time.Now()
				require.NoError(t, sup.Start(t.Context()))
				require.Equal(t, 3*time.Second, time.Since(began))
				events := recorded.take()
				var lines []string
				for _, e := range events {
					lines = append(lines, e.Kind.String()+" "+e.Path+" "+e.Time.Sub(began).String())
				}
				require.Equal(t, []string{
					"starting /root/a 0s", "ready /root/a 1s",
					"starting /root/b 1s", "ready /root/b 1s",
					"starting /root/c 1s", "ready /root/c 3s",
				}, lines)
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}

func TestIndependentChildrenStartSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "a", Run: slow(3*time.Second, 0)},
			{Name: "b", Run: slow(time.Second, 0)},
			{Name: "c", Run: slow(2*time.Second, 0)},
		}})
		require.Equal(t, 3*time.Second, time.Since(began))
		require.Equal(t, []string{"a", "b", "c"}, names(sup.Children(child.Running)))
	})
}

func TestChildAfterANestedSupervisorStartsWhenAllInThatAreReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{
			{Name: "x", Run: slow(time.Second, 0)},
			{Name: "y", Run: slow(time.Second, 0)},
		}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: inner.Run},
			{Name: "b", Run: idle},
		}})
		recorded := record(t, sup)
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, []string{
			"starting inner", "starting inner/x", "ready inner/x", "starting inner/y", "ready inner/y",
			"ready inner", "starting b", "ready b",
		}, recorded.lines())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestTaskIsDoneBeforeTheNextChildStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		done := false
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "migrate", Run: child.Task(func(ctx context.Context) error {
				time.Sleep(time.Minute)
				done = true
				return nil
			})},
			{Name: "api", Run: func(ctx child.Context) error {
				require.True(t, done)
				return idle(ctx)
			}},
		}})
		require.Equal(t, child.Done, lookup(t, sup, "migrate").State)
		require.Equal(t, child.Running, state(t, sup, "api"))
	})
}

func TestDeclinedChildDoesNotDelayTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		decline := func(child.Context) error { return child.ErrIgnore }
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: decline},
			{Name: "b", Run: decline, Restart: child.Temporary},
			{Name: "c", Run: idle},
		}})
		require.Equal(t, []string{"a", "c"}, names(sup.Children()))
		require.Equal(t, child.Stopped, state(t, sup, "a"))
		require.Equal(t, child.Running, state(t, sup, "c"))
	})
}

func TestSlowStartIsReportedOnceAfterTenSeconds(t *testing.T) {
	for _, tc := range []struct {
		name     string
		up       time.Duration
		timeout  time.Duration
		reported bool
		fails    bool
	}{
		{"in time", 10*time.Second - 1, 0, false, false},
		{"late", 10*time.Second + 1, 0, true, false},
		{"very late", time.Hour, 0, true, false},
		{"late, within its timeout", 14 * time.Second, 15 * time.Second, true, false},
		{"late, beyond its timeout", 16 * time.Second, 15 * time.Second, true, true},
		{"beyond a timeout of ten", 11 * time.Second, 10 * time.Second, false, true},
		{"beyond a short timeout", 11 * time.Second, 2 * time.Second, false, true},
		{"a timeout for ever", time.Hour, child.Forever, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Children: []child.Spec{
					{Name: "a", Run: slow(tc.up, 0), StartTimeout: tc.timeout},
				}})
				recorded := record(t, sup, supervisor.EventSlowStart)
				began := time.Now()
				err := sup.Start(t.Context())
				if tc.fails {
					require.ErrorIs(t, err, child.ErrStartTimeout)
					require.Equal(t, tc.timeout, time.Since(began))
				} else {
					require.NoError(t, err)
					require.Equal(t, tc.up, time.Since(began))
				}
				time.Sleep(time.Hour)
				events := recorded.take()
				if !tc.reported {
					require.Empty(t, events)
				} else {
					require.Len(t, events, 1)
					require.Equal(t, 10*time.Second, events[0].Time.Sub(began))
				}
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}

func TestStartTimeoutEndsTheRunWithItsCauseAndFailsTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause, ready error
		sup := newRoot(supervisor.Spec{Name: "shop", Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "db", StartTimeout: 3 * time.Second, Run: func(ctx child.Context) error {
				<-ctx.Done()
				cause, ready = context.Cause(ctx), ctx.Ready()
				return ready
			}},
			{Name: "c", Run: func(child.Context) error { panic("it must not start") }},
		}})
		err := sup.Start(t.Context())
		require.EqualError(t, err, "/shop/db: start timeout")
		require.ErrorIs(t, err, child.ErrStartTimeout)
		require.ErrorIs(t, cause, child.ErrStartTimeout)
		require.ErrorIs(t, ready, child.ErrStartTimeout)
		require.Zero(t, sup.Count().Active)
	})
}

func TestStartTimeoutKeepsTheErrorOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "db", StartTimeout: time.Second, Run: func(ctx child.Context) error {
				<-ctx.Done()
				return errBoom
			}},
		}})
		err := sup.Start(t.Context())
		require.EqualError(t, err, "/root/db: start timeout: boom")
		require.ErrorIs(t, err, child.ErrStartTimeout)
		require.ErrorIs(t, err, errBoom)
	})
}

func TestStartTimeoutOfARestartIsAFailureThatIsRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, tries := newPuppet(), 0
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "db", StartTimeout: time.Second, Run: func(ctx child.Context) error {
				if tries++; tries == 2 || tries == 3 {
					return never(ctx)
				}
				return p.Run(ctx)
			}},
			{Name: "after", Run: idle},
		}})
		require.NoError(t, sup.Start(t.Context()))
		recorded := record(t, sup)
		p.end(errBoom)
		time.Sleep(time.Minute)
		require.Equal(t, []string{
			"failed db", "restarting db", "starting db",
			"stopping db", "stopped db", "failed db", "restarting db", "starting db",
			"stopping db", "stopped db", "failed db", "restarting db", "starting db", "ready db",
		}, recorded.lines(), "and nothing about its sibling")
		require.Equal(t, 3, lookup(t, sup, "db").Restarts)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestReadyClearsTheStartTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: slow(time.Second, 0), StartTimeout: 2 * time.Second},
			{Name: "b", Run: slow(time.Second, 0), StartTimeout: 2 * time.Second},
		}})
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, sup.Children(child.Running), 2)
		require.Zero(t, lookup(t, sup, "a").Restarts)
	})
}

func TestStuckStartIsAbandonedAtItsStopTimeoutAndReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		sup := newRoot(supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "db", StartTimeout: time.Second, StopTimeout: 2 * time.Second, Run: func(child.Context) error {
				<-release
				return nil
			}},
		}})
		began := time.Now()
		err := sup.Start(t.Context())
		require.Equal(t, 3*time.Second, time.Since(began))
		require.ErrorIs(t, err, child.ErrStartTimeout)
		var stop *supervisor.StopError
		require.ErrorAs(t, err, &stop)
		require.Len(t, stop.Abandoned, 1)
		require.Equal(t, "/root/db", stop.Abandoned[0].Path)
		require.EqualError(t, err, "/root/db: start timeout; /root/db: did not stop within 2s")
	})
}
