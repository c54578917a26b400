package supervisor_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// One timer serves all start and stop timeouts of a supervisor. Each must fall due
// in its time all the same, whatever was set or cleared before it.

// add starts a child in the background, and returns the answer to come.
func add(sup *supervisor.Supervisor, spec child.Spec) <-chan error {
	answer := make(chan error, 1)
	go func() { answer <- sup.StartChild(context.Background(), spec) }()
	synctest.Wait()
	return answer
}

// since returns, for each event, its path and how long after began it was published.
func since(began time.Time, events []supervisor.Event) (all []string) {
	for _, e := range events {
		all = append(all, fmt.Sprint(e.Path, " ", e.Time.Sub(began)))
	}
	return all
}

func TestTimeoutsOfManyLengthsFallDueInTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		recorded := record(t, sup, supervisor.EventStopping, supervisor.EventSlowStart)
		began := time.Now()
		// Long before short, short before long, two of one length, two that are set at
		// different times and fall due at the same.
		for _, c := range []struct {
			name  string
			limit time.Duration
		}{
			{"9", 9 * time.Second}, {"1", time.Second}, {"4", 4 * time.Second}, {"2", 2 * time.Second},
			{"4 too", 4 * time.Second}, {"1h", time.Hour}, {"none", 0},
		} {
			add(sup, child.Spec{Name: c.name, Run: never, StartTimeout: c.limit})
		}
		time.Sleep(time.Second)
		add(sup, child.Spec{Name: "3 from 1", Run: never, StartTimeout: 3 * time.Second})
		time.Sleep(2 * time.Hour)
		require.Equal(t, []string{
			"/root/1 1s", "/root/2 2s", "/root/3 from 1 4s", "/root/4 4s", "/root/4 too 4s", "/root/9 9s",
			"/root/1h 10s", "/root/none 10s", "/root/1h 1h0m0s",
		}, since(began, recorded.take()))
	})
}

// Timeouts of one length are kept apart: a stop timeout may be as long as the time
// after which a start is reported as slow.
func TestTimeoutsOfOneLengthAndTwoKinds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deaf := &supervisortest.Child{StopAfter: child.Forever}
		defer deaf.Release()
		sup := startLoosely(t, supervisor.Spec{Strategy: strategy.Independent, Children: []child.Spec{
			{Name: "stuck", Run: deaf.Run, StopTimeout: 10 * time.Second},
		}})
		recorded := record(t, sup, supervisor.EventSlowStart, supervisor.EventAbandoned)
		began := time.Now()
		for i := range 3 {
			add(sup, child.Spec{Name: fmt.Sprint("slow", i), Run: never})
			if i == 1 {
				go func() { _ = sup.StopChild(context.Background(), "stuck") }()
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		require.Equal(t, []string{
			"/root/slow0 10s", "/root/slow1 11s", "/root/stuck 11s", "/root/slow2 12s",
		}, since(began, recorded.take()))
	})
}

func TestTimeoutAfterThousandsThatWereClearedFallsDueInItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		recorded := record(t, sup, supervisor.EventSlowStart, supervisor.EventFailed)
		began := time.Now()
		late := add(sup, child.Spec{Name: "late", Run: never, StartTimeout: 24 * time.Hour})
		for i := range 3000 {
			spec := child.Spec{Name: fmt.Sprint(i), Run: idle, StartTimeout: time.Duration(i%7) * time.Second, StopTimeout: time.Duration(1+i%5) * time.Second}
			require.NoError(t, sup.StartChild(t.Context(), spec))
			if i%3 == 0 {
				require.NoError(t, sup.RemoveChild(t.Context(), spec.Name))
			}
			time.Sleep(10 * time.Millisecond)
		}
		require.ErrorIs(t, <-late, child.ErrStartTimeout)
		require.Equal(t, 24*time.Hour, time.Since(began))
		require.Equal(t, []string{"/root/late 10s", "/root/late 24h0m0s"}, since(began, recorded.take()))
		require.Len(t, sup.Children(child.Running), 2000)
	})
}

// A timer that is set for a while already serves one that falls due before.
func TestShorterTimeoutIsNotHeldUpByALongerOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		began := time.Now()
		add(sup, child.Spec{Name: "long", Run: never, StartTimeout: 9 * time.Second})
		for i := range 5 {
			short := add(sup, child.Spec{Name: fmt.Sprint(i), Run: never, StartTimeout: time.Second})
			require.ErrorIs(t, <-short, child.ErrStartTimeout)
			require.Equal(t, time.Duration(i+1)*time.Second, time.Since(began))
		}
	})
}

// What one deadline leads to may set the next in the moment in which others fall due.
func TestTimeoutsThatFallDueTogetherAndLeadToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const many = 500
		release := make(chan struct{})
		defer close(release)
		deaf := func(child.Context) error { <-release; return nil }
		sup := start(t, supervisor.Spec{Strategy: strategy.Independent})
		began := time.Now()
		var answers []<-chan error
		for i := range many {
			answers = append(answers, add(sup, child.Spec{
				Name: fmt.Sprint(i), Run: deaf, StartTimeout: 2 * time.Second, StopTimeout: time.Duration(1+i%2) * time.Second,
			}))
		}
		recorded := record(t, sup, supervisor.EventAbandoned)
		for _, answer := range answers {
			require.ErrorIs(t, <-answer, child.ErrStartTimeout)
		}
		require.Equal(t, 4*time.Second, time.Since(began))
		at := map[time.Duration]int{}
		for _, e := range recorded.take() {
			at[e.Time.Sub(began)]++
		}
		require.Equal(t, map[time.Duration]int{3 * time.Second: many / 2, 4 * time.Second: many / 2}, at)
	})
}

func TestTimersOfOneLifeDoNotReachTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := newRoot(supervisor.Spec{Strategy: strategy.Independent})
		recorded := record(t, sup, supervisor.EventSlowStart, supervisor.EventStopping)
		for range 3 {
			require.NoError(t, sup.Start(t.Context()))
			add(sup, child.Spec{Name: "a", Run: never, StartTimeout: 5 * time.Second})
			time.Sleep(3 * time.Second)
			require.Empty(t, recorded.take())
			require.NoError(t, sup.Stop(t.Context()))
			require.Len(t, recorded.take(), 1)
		}
		time.Sleep(time.Hour)
		require.Empty(t, recorded.take())
	})
}
