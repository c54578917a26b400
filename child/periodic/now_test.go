package periodic_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/child/periodic"
)

func TestNowCallsOutOfTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDiary()
		n := 0
		j, _ := start(t, periodic.Spec{Every: time.Minute, GoOn: true, Do: func(context.Context) error {
			d.note()
			if n++; n > 1 {
				return errBoom
			}
			return nil
		}})
		time.Sleep(30 * time.Second)
		require.NoError(t, j.Now(bg))
		require.Equal(t, errBoom, j.Now(bg))
		require.EqualValues(t, 2, j.State().Calls)
		time.Sleep(time.Minute)
		d.requireCalls(t, 30*time.Second, 30*time.Second, time.Minute)
	})
}

func TestNeverTwoAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calling, most := 0, 0
		j, _ := start(t, periodic.Spec{Every: time.Second, AtStart: true, Do: func(context.Context) error {
			calling++
			most = max(most, calling)
			time.Sleep(1500 * time.Millisecond)
			calling--
			return nil
		}})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				asked := time.Now()
				if err := j.Now(bg); err != nil {
					t.Error(err)
				}
				if st := j.State(); st.Last.Before(asked) {
					t.Errorf("asked at %v, answered by the call of %v", asked, st.Last)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		require.Equal(t, 1, most)
		require.Less(t, j.State().Calls, uint64(10), "those that wait share a call")
	})
}

func TestACallOutOfTurnCanMissTheNextTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDiary()
		long := 150 * time.Second
		j, _ := start(t, periodic.Spec{Every: time.Minute, Do: func(context.Context) error { d.note(); time.Sleep(long); long = 0; return nil }})
		time.Sleep(time.Second)
		require.NoError(t, j.Now(bg))
		time.Sleep(time.Minute)
		d.requireCalls(t, time.Second, 3*time.Minute)
		require.EqualValues(t, 2, j.State().Missed)
	})
}

func TestNowWaitsForTheJob(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fail := true
		j, root := start(t, periodic.Spec{Every: time.Hour, Do: func(context.Context) error {
			if fail {
				fail = false
				return errBoom
			}
			return nil
		}})
		require.Equal(t, errBoom, j.Now(bg), "it fails the run, too")
		began := time.Now()
		require.NoError(t, j.Now(bg))
		require.Equal(t, time.Second, time.Since(began), "after the restart")

		require.NoError(t, root.StopChild(bg, "sweep"))
		ctx, cancel := context.WithTimeoutCause(bg, time.Minute, errBoom)
		defer cancel()
		require.Equal(t, errBoom, j.Now(ctx))
		require.NoError(t, root.RemoveChild(bg, "sweep"))
		require.ErrorIs(t, j.Now(bg), child.ErrGone)
		var none context.Context
		require.ErrorContains(t, j.Now(none), "nil context")
	})
}

// A call of Now that waits when the run ends waits for the next one.
func TestARequestSurvivesTheEndOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		j, root := start(t, periodic.Spec{Every: time.Hour, AtStart: true, Do: func(ctx context.Context) error {
			if n++; n == 1 {
				time.Sleep(time.Minute)
				return errBoom
			}
			return nil
		}})
		synctest.Wait() // the first call has begun: it does not answer
		answers := make(chan error, 3)
		for range cap(answers) {
			go func() { answers <- j.Now(bg) }()
		}
		synctest.Wait()
		for range cap(answers) {
			require.NoError(t, <-answers)
		}
		st, _ := root.Lookup("sweep")
		require.Equal(t, 1, st.Restarts)
	})
}

func TestNowEndsWithItsContextAndTheCallGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j, _ := start(t, periodic.Spec{Every: time.Hour, Do: func(ctx context.Context) error { time.Sleep(time.Minute); return ctx.Err() }})
		ctx, cancel := context.WithTimeoutCause(bg, time.Second, errBoom)
		defer cancel()
		require.Equal(t, errBoom, j.Now(ctx))
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, j.State().Calls)
		require.NoError(t, j.State().Err)
	})
}

func TestNowOfACallThatPanicsReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		j, _ := start(t, periodic.Spec{Every: time.Hour, Do: func(context.Context) error {
			if n++; n == 1 {
				panic("boom")
			}
			return nil
		}})
		require.ErrorContains(t, j.Now(bg), "has panicked")
		require.NoError(t, j.Now(bg))
	})
}

func TestNowCannotBeCalledByDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var j, other *periodic.Job
		other, _ = start(t, periodic.Spec{Every: time.Hour, Do: func(context.Context) error { return nil }})
		j, _ = start(t, periodic.Spec{Every: time.Hour, Do: func(ctx context.Context) error {
			if err := other.Now(ctx); err != nil {
				return err
			}
			return j.Now(ctx)
		}})
		require.ErrorContains(t, j.Now(bg), "Now was called by Do")
	})
}

// Without a supervisor, a run that has ended by itself does not come back.
func TestNowAfterARunWithoutASupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := periodic.New(periodic.Spec{Every: time.Hour, AtStart: true, Do: func(context.Context) error { return errBoom }})
		require.Equal(t, errBoom, j.Run(child.FromContext(t.Context())))
		ctx, cancel := context.WithTimeoutCause(bg, time.Minute, errBoom)
		defer cancel()
		require.Equal(t, errBoom, j.Now(ctx))
	})
}
