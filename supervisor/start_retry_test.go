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

// failsFirst returns a Run whose start fails n times.
func failsFirst(n int) func(child.Context) error {
	tries := 0
	return func(ctx child.Context) error {
		if tries++; tries <= n {
			return errBoom
		}
		return idle(ctx)
	}
}

func TestWithoutRetryStartAFirstStartThatFailsIsFinal(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", Run: failsFirst(1), Backoff: child.Constant(time.Second)},
		}})
		began := time.Now()
		require.ErrorIs(t, sup.Start(t.Context()), errBoom)
		require.Zero(t, time.Since(began))
	})
}

func TestRetryStartKeepsTheStarterWaitingUntilItSucceeds(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		later := false
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "db", Run: failsFirst(5), RetryStart: true, Backoff: child.Constant(time.Minute)},
			{Name: "c", Run: func(ctx child.Context) error {
				later = true
				return idle(ctx)
			}},
		}})
		began := time.Now()
		returned := make(chan error, 1)
		go func() { returned <- sup.Start(t.Context()) }()
		time.Sleep(time.Second)
		require.Equal(t, child.Waiting, lookup(t, sup, "db").State)
		require.Equal(t, began.Add(time.Minute), lookup(t, sup, "db").NextStart)
		require.Equal(t, concurrent(s), later, "in an ordered supervisor what comes after waits too")
		require.Equal(t, child.Running, lookup(t, sup, "a").State)
		require.NoError(t, <-returned)
		require.Equal(t, 5*time.Minute, time.Since(began))
		require.Equal(t, 5, lookup(t, sup, "db").Restarts)
		require.Len(t, sup.Children(child.Running), 3)
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestRetryStartWithoutABackoffIsRetriedAtOnce(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		began := time.Now()
		sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", Run: failsFirst(3), RetryStart: true},
			{Name: "b", Run: idle},
		}})
		require.Zero(t, time.Since(began))
		require.Equal(t, 3, lookup(t, sup, "db").Restarts)
		require.Equal(t, child.Running, lookup(t, sup, "b").State)
	})
}

func TestRetryStartEndsWhenTheIntensityIsExceeded(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: idle},
			{Name: "db", Run: failing, RetryStart: true},
		}})
		err := sup.Start(t.Context())
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, err, &gaveUp)
		require.Equal(t, "/root/db", gaveUp.Child)
		require.ErrorIs(t, err, errBoom)
		require.EqualError(t, err, "/root: gave up: more than 3 restarts in 5s: /root/db: boom")
		require.Zero(t, sup.Count().Active)
	})
}

func TestRetryStartEndsWhenTheBackoffGivesUp(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", Run: failing, RetryStart: true, Backoff: child.Constant(time.Second).Retries(4)},
		}})
		began := time.Now()
		require.EqualError(t, sup.Start(t.Context()), "/root: gave up: backoff gave up: /root/db: boom")
		require.Equal(t, 4*time.Second, time.Since(began))
	})
}

func TestEndOfStartsContextEndsARetry(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "a", Run: slow(0, time.Second)},
			{Name: "db", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)},
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, sup.Start(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Zero(t, sup.Count().Active)
	})
}

func TestStopEndsARetry(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)},
		}})
		returned := make(chan error, 1)
		go func() { returned <- sup.Serve(t.Context()) }()
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
		require.NoError(t, <-returned)
	})
}

func TestRetryOfAStartThatTimesOut(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		tries := 0
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", RetryStart: true, StartTimeout: time.Second, Backoff: child.Constant(time.Minute),
				Run: func(ctx child.Context) error {
					if tries++; tries < 3 {
						return never(ctx)
					}
					return idle(ctx)
				}},
		}})
		began := time.Now()
		require.NoError(t, sup.Start(t.Context()))
		require.Equal(t, 2*time.Minute+2*time.Second, time.Since(began))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

// The strategy is applied to the child that could not start: its group starts over.
func TestRetryRestartsTheGroupThatHadStarted(t *testing.T) {
	for s, again := range map[strategy.Strategy]int{
		strategy.OneForOne: 0, strategy.RestForOne: 0, strategy.OneForAll: 2,
	} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "a", Run: idle},
					{Name: "db", Run: failsFirst(2), RetryStart: true, Backoff: child.Constant(time.Minute)},
					{Name: "c", Run: idle},
				}})
				require.Equal(t, again, lookup(t, sup, "a").Restarts)
				require.Equal(t, 2, lookup(t, sup, "db").Restarts)
				require.Equal(t, 0, lookup(t, sup, "c").Restarts)
			})
		})
	}
}

func TestWaitingFirstStartComesAtOnceByHandAndTheBootContinues(t *testing.T) {
	underEach(t, func(t *testing.T, s strategy.Strategy) {
		sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
			{Name: "db", Run: failsFirst(1), RetryStart: true, Backoff: child.Constant(time.Hour)},
			{Name: "b", Run: idle},
		}})
		began := time.Now()
		returned := make(chan error, 1)
		go func() { returned <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.NoError(t, sup.RestartChild(t.Context(), "db"))
		require.NoError(t, <-returned)
		require.Zero(t, time.Since(began))
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestWaitingFirstStartIsStoppedByHandAndTheBootContinues(t *testing.T) {
	for name, stop := range map[string]func(*supervisor.Supervisor, context.Context, ...string) error{
		"stop": (*supervisor.Supervisor).StopChild, "remove": (*supervisor.Supervisor).RemoveChild,
	} {
		t.Run(name, func(t *testing.T) {
			underEach(t, func(t *testing.T, s strategy.Strategy) {
				sup := newRoot(supervisor.Spec{Strategy: s, Children: []child.Spec{
					{Name: "db", Run: failing, RetryStart: true, Backoff: child.Constant(time.Hour)},
					{Name: "b", Run: idle},
				}})
				began := time.Now()
				returned := make(chan error, 1)
				go func() { returned <- sup.Start(t.Context()) }()
				synctest.Wait()
				require.NoError(t, stop(sup, t.Context(), "db"))
				require.NoError(t, <-returned)
				require.Zero(t, time.Since(began))
				require.Equal(t, []string{"b"}, names(sup.Children(child.Running)))
				require.NoError(t, sup.Stop(t.Context()))
			})
		})
	}
}
