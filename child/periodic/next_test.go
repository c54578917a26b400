package periodic

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/supervisor"
)

// hourly is a schedule.
func hourly(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

// A wall is a clock that can be set.
type wall struct {
	mu   sync.Mutex
	step time.Duration
}

func (w *wall) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.step)
}

func (w *wall) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.step += by
}

// A clockJob notes the wall clock at each call of a job.
type clockJob struct {
	*Job
	wall  *wall
	root  *supervisor.Supervisor
	mu    sync.Mutex
	calls []string
}

// take returns the calls since the last take.
func (j *clockJob) take() []string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() { j.calls = nil }()
	return j.calls
}

// during, if given, is called in each call.
func startNext(t *testing.T, spec Spec, during ...func(*clockJob)) *clockJob {
	t.Helper()
	j := &clockJob{wall: new(wall)}
	spec.Do = func(context.Context) error {
		j.mu.Lock()
		j.calls = append(j.calls, j.wall.now().UTC().Format("02T15:04:05"))
		j.mu.Unlock()
		for _, f := range during {
			f(j)
		}
		return nil
	}
	j.Job = New(spec)
	j.clock = j.wall.now
	j.root = testkit.Root(t, supervisor.Spec{
		Name: "shop", Backoff: child.Constant(time.Second), Children: []child.Spec{{Name: "report", Run: j.Run}},
	})
	require.NoError(t, j.root.Start(context.Background()))
	return j
}

func (j *clockJob) requireCalls(t *testing.T, want ...string) {
	t.Helper()
	require.Equal(t, want, j.take())
}

func TestNextGivesTheTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * time.Minute)
		j := startNext(t, Spec{Next: hourly})
		require.Equal(t, "2000-01-01T01:00:00Z", stamp(j.State().Next))
		time.Sleep(3 * time.Hour)
		j.requireCalls(t, "01T01:00:00", "01T02:00:00", "01T03:00:00")
	})
}

func TestAStepOfTheClockForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := startNext(t, Spec{Next: hourly})
		time.Sleep(10*time.Minute + 5*time.Second)
		j.wall.set(2*time.Hour + 25*time.Minute) // to 02:35:05, between two looks at the clock
		time.Sleep(11 * time.Second)
		j.requireCalls(t, "01T02:35:10")
		require.EqualValues(t, 1, j.State().Missed, "that of 02:00")
		time.Sleep(time.Hour)
		j.requireCalls(t, "01T03:00:00")
	})
}

func TestASmallStepBackBringsNoTimeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := startNext(t, Spec{Next: hourly})
		time.Sleep(time.Hour + time.Minute)
		j.requireCalls(t, "01T01:00:00")
		j.wall.set(-2 * time.Minute) // to 00:59
		time.Sleep(2 * time.Hour)
		j.requireCalls(t, "01T02:00:00")
	})
	// Even if it comes during the call.
	synctest.Test(t, func(t *testing.T) {
		j := startNext(t, Spec{Next: hourly}, func(j *clockJob) { j.wall.set(-time.Millisecond) })
		time.Sleep(3*time.Hour + time.Minute)
		j.requireCalls(t, "01T01:00:00", "01T02:00:00", "01T03:00:00")
	})
}

func TestALargeStepBackCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // while it waits
		j := startNext(t, Spec{Next: hourly})
		time.Sleep(24*time.Hour + 30*time.Minute)
		j.take()
		j.wall.set(-24 * time.Hour)
		time.Sleep(time.Hour)
		j.requireCalls(t, "01T01:00:00")
	})
	synctest.Test(t, func(t *testing.T) { // during a call
		j := startNext(t, Spec{Next: hourly}, func(j *clockJob) {
			if j.State().Calls == 0 {
				j.wall.set(-240 * time.Hour)
			}
		})
		time.Sleep(2*time.Hour + time.Minute)
		j.requireCalls(t, "01T01:00:00", "22T02:00:00")
	})
}

func TestATimeThatPassesDuringACallIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := 3*time.Hour + 30*time.Minute
		j := startNext(t, Spec{Next: hourly}, func(*clockJob) { time.Sleep(long); long = 0 })
		time.Sleep(6*time.Hour + time.Minute)
		j.requireCalls(t, "01T01:00:00", "01T05:00:00", "01T06:00:00")
		require.EqualValues(t, 3, j.State().Missed)
	})
}

func TestVeryManyMissedTimesAreNotCountedOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		long := 1000 * time.Hour
		j := startNext(t, Spec{
			Next: func(t time.Time) time.Time { asked.Add(1); return t.Add(time.Second) },
		}, func(*clockJob) { time.Sleep(long); long = 0 })
		time.Sleep(1000*time.Hour + 10*time.Second)
		synctest.Wait()
		require.EqualValues(t, mostMissed, j.State().Missed)
		require.Less(t, asked.Load(), int64(mostMissed+100))
	})
}

func TestJitterOfNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := startNext(t, Spec{Next: hourly, Jitter: 10 * time.Minute})
		time.Sleep(101 * time.Hour)
		calls := j.take()
		require.GreaterOrEqual(t, len(calls), 100)
		exact := 0
		for i, call := range calls[:100] {
			at, err := time.Parse("02T15:04:05", call)
			require.NoError(t, err)
			require.Less(t, at.Minute(), 10)
			require.Equal(t, (i+1)%24, at.Hour())
			if at.Minute() == 0 {
				exact++
			}
		}
		require.Less(t, exact, 40)
		require.Zero(t, j.State().Missed)
	})
}

func TestTheZeroTimeMeansNeverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		j := startNext(t, Spec{AtStart: true, Next: func(t time.Time) time.Time {
			if n++; n > 2 {
				return time.Time{}
			}
			return t.Add(time.Hour)
		}})
		time.Sleep(10 * time.Hour)
		j.requireCalls(t, "01T00:00:00", "01T01:00:00", "01T02:00:00")
		st, _ := j.root.Lookup("report")
		require.Equal(t, child.Done, st.State)
		require.NoError(t, j.root.Health())
	})
}

func TestALargeStepBackCanLeaveNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		j := startNext(t, Spec{Next: func(t time.Time) time.Time {
			if n++; n > 1 {
				return time.Time{}
			}
			return t.Add(time.Hour)
		}})
		time.Sleep(30 * time.Minute)
		j.wall.set(-2 * time.Hour)
		time.Sleep(10 * time.Hour)
		require.Empty(t, j.take())
		st, _ := j.root.Lookup("report")
		require.Equal(t, child.Done, st.State)
	})
}

func TestATimeThatIsNotLaterIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		same := New(Spec{Do: func(context.Context) error { return nil }, Next: func(t time.Time) time.Time { return t }})
		err := same.Run(child.FromContext(t.Context()))
		require.EqualError(t, err, "periodic: Spec.Next returned 2000-01-01T00:00:00Z for 2000-01-01T00:00:00Z: it must return a later time, or the zero Time")
		n := 0
		later := New(Spec{Do: func(context.Context) error { n++; return nil }, Next: func(at time.Time) time.Time {
			if n == 0 {
				return at.Add(time.Hour)
			}
			return at.Add(-time.Hour)
		}})
		require.ErrorContains(t, later.Run(child.FromContext(t.Context())), "it must return a later time")
		require.Equal(t, 1, n)
	})
}

func TestDurationsAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 12: "12ns", 1234567: "1.23ms", 12345678901: "12.3s", 3*time.Hour + 123456789: "3h0m0.1s", 999 * time.Microsecond: "999µs",
	} {
		require.Equal(t, want, short(d).String())
	}
}
