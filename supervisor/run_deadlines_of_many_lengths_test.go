package supervisor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/machine"
	"github.com/coppice-go/coppice/strategy"
)

// Timeouts of very many different lengths all hold, and there is a bound on what each
// expiry goes through.
func TestTimeoutsOfVeryManyLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5 * mostQueues
		free := make(chan struct{})
		all := heedless(n, free)
		for i := range all {
			all[i].StopTimeout = time.Duration(i+1) * 10 * time.Millisecond
		}
		s := New(Spec{Strategy: strategy.Independent, Logger: silent, Children: all})
		require.NoError(t, s.Start(t.Context()))
		l := s.latest()
		began := time.Now()
		go func() { _ = s.Stop(t.Context()) }()
		synctest.Wait()
		l.mu.Lock()
		require.Len(t, l.timers.others, mostQueues)
		l.mu.Unlock()
		var stop *StopError
		require.ErrorAs(t, s.Stop(t.Context()), &stop)
		require.Equal(t, n*10*time.Millisecond, time.Since(began))
		require.Len(t, stop.Abandoned, n)
		for i, run := range stop.Abandoned {
			require.Equal(t, fmt.Sprint("/root/c", i), run.Path)
			require.Equal(t, time.Duration(i+1)*10*time.Millisecond, run.After)
			require.Contains(t, string(run.Stack), "hangsHere", run.Path)
		}
		close(free)
	})
}

func TestStartTimeoutWithATimerOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := func(ctx child.Context) error { <-ctx.Done(); return nil }
		s := New(Spec{Strategy: strategy.Independent, Logger: silent})
		require.NoError(t, s.Start(t.Context()))
		for i := range mostQueues { // each with a length of its own
			go func() {
				_ = s.StartChild(t.Context(), child.Spec{Name: fmt.Sprint(i), StartTimeout: time.Second + time.Duration(i), Run: never})
			}()
		}
		synctest.Wait()
		began := time.Now()
		require.ErrorIs(t, s.StartChild(t.Context(), child.Spec{Name: "one more", StartTimeout: 700 * time.Millisecond, Run: never}), child.ErrStartTimeout)
		require.Equal(t, 700*time.Millisecond, time.Since(began))
		require.NoError(t, s.Stop(t.Context()))
	})
}

// A deadline with a timer of its own gets one more period after a standstill, too, and no
// second one; a run that returns in time has nothing to fear.
func TestDeadlineWithATimerOfItsOwnAfterAStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := New(Spec{Logger: silent, Children: heedless(1, free)})
		require.NoError(t, s.Start(t.Context()))
		l := s.latest()
		l.mu.Lock()
		c := l.m.First()
		r := runOfChild(c)
		r.armAlone(machine.StopTimer, time.Second) // nothing is being stopped: the machine ignores it
		set := r.set
		l.mu.Unlock()
		for _, spared := range []bool{true, false} {
			r.expireAlone(machine.StopTimer, set, time.Second, -time.Hour) // an hour late
			l.mu.Lock()
			require.Equal(t, spared, r.set != set, "the alarm is set again")
			set = r.set
			l.mu.Unlock()
		}
		close(free)
		synctest.Wait()
		require.NoError(t, s.Stop(t.Context()))
	})
}
