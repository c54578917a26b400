package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
)

// A late alarm shows that the process stood still. In a bubble no alarm is late, so these
// tests move back the time at which one was due.

// A deaf child is ready at once, and returns only when the test releases it.
type deaf struct{ free chan struct{} }

func newDeaf(t *testing.T) deaf {
	d := deaf{make(chan struct{})}
	t.Cleanup(sync.OnceFunc(func() { close(d.free); synctest.Wait() }))
	return d
}

func (d deaf) Run(ctx child.Context) error {
	err := ctx.Ready()
	<-d.free
	return err
}

func (d deaf) start(child.Context) error { <-d.free; return nil }

// happenings records the events of the given kinds, with their times.
func happenings(t *testing.T, s *Supervisor, kinds ...EventKind) (all func() []string) {
	var mu sync.Mutex
	var lines []string
	began := time.Now()
	t.Cleanup(s.Subscribe(func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprintf("%v %s %v", e.Kind, e.Path, e.Time.Sub(began)))
	}, kinds...))
	return func() []string {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(lines)
	}
}

func quietRoot(t *testing.T, spec Spec) *Supervisor {
	spec.Logger = slog.New(slog.DiscardHandler)
	s := New(spec)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s
}

// lateBy makes the next alarm look late by d.
func lateBy(l *life, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timers.at -= d
}

func runAt(s *Supervisor, name string) *run {
	l := s.latest()
	l.mu.Lock()
	defer l.mu.Unlock()
	return runOfChild(l.m.Child(name))
}

func (r *run) lateBy(d time.Duration) {
	r.life.mu.Lock()
	defer r.life.mu.Unlock()
	r.rare.watch.due -= d
}

func TestHeartbeatGetsExactlyOneMorePeriodAfterAStandstill(t *testing.T) {
	for name, test := range map[string]struct {
		late []time.Duration // of the looks, one after another
		hung time.Duration
	}{
		"in time":                         {nil, 8 * time.Second},
		"late, but within the slack":      {[]time.Duration{time.Second}, 8 * time.Second},
		"late at the first look":          {[]time.Duration{time.Second + 1}, 14 * time.Second},
		"late at the last look":           {[]time.Duration{0, time.Second + 1}, 16 * time.Second},
		"late at each look":               {[]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}, 14 * time.Second},
		"very late, and then within time": {[]time.Duration{time.Hour, 0, 0}, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Run: newDeaf(t).Run, Heartbeat: 8 * time.Second, StopTimeout: time.Hour}}})
				recorded := happenings(t, s, EventHung)
				require.NoError(t, s.Start(t.Context()))
				r := runAt(s, "a")
				for _, late := range test.late {
					r.lateBy(late)
					r.life.mu.Lock()
					next := r.rare.watch.due + late
					r.life.mu.Unlock()
					time.Sleep(next - time.Since(r.life.began))
					synctest.Wait()
				}
				time.Sleep(time.Minute)
				require.Equal(t, []string{"hung /root/a " + test.hung.String()}, recorded())
			})
		})
	}
}

func TestHeartbeatAfterAStandstillBeginsTheNextPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beat := make(chan struct{})
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Heartbeat: 8 * time.Second, Run: func(ctx child.Context) error {
			err := ctx.Ready()
			for {
				select {
				case <-beat:
					ctx.Heartbeat()
				case <-ctx.Done():
					return err
				}
			}
		}}}})
		recorded := happenings(t, s, EventHung)
		require.NoError(t, s.Start(t.Context()))
		r := runAt(s, "a")
		for range 5 {
			r.lateBy(time.Hour) // at each look, but there is a heartbeat after each
			time.Sleep(7 * time.Second)
			beat <- struct{}{}
			synctest.Wait()
		}
		require.Empty(t, recorded())
		time.Sleep(time.Minute)
		require.NotEmpty(t, recorded())
	})
}

// A standstill before a heartbeat does not count against one after it.
func TestHeartbeatIsSparedOnceMoreAfterAHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var run child.Context
		d := newDeaf(t)
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", Heartbeat: 8 * time.Second, StopTimeout: time.Hour, Run: func(ctx child.Context) error {
			run = ctx
			return d.Run(ctx)
		}}}})
		told := happenings(t, s, EventHung)
		require.NoError(t, s.Start(t.Context()))
		r := runAt(s, "a")
		r.lateBy(time.Hour) // of the look at 6 s
		time.Sleep(7 * time.Second)
		run.Heartbeat()
		time.Sleep(6500 * time.Millisecond) // the looks at 12 s and at 13 s see it
		r.lateBy(time.Hour)                 // of the last look, at 15 s
		time.Sleep(time.Minute)
		require.Equal(t, []string{"hung /root/a 23s"}, told()[:1])
	})
}

func TestStartTimeoutGetsExactlyOneMorePeriodAfterAStandstill(t *testing.T) {
	for name, test := range map[string]struct {
		late  []time.Duration
		ended time.Duration
	}{
		"in time":                    {nil, 4 * time.Second},
		"late, but within the slack": {[]time.Duration{time.Second}, 4 * time.Second},
		"late":                       {[]time.Duration{time.Second + 1}, 8 * time.Second},
		"late twice":                 {[]time.Duration{time.Hour, time.Hour}, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := quietRoot(t, Spec{Strategy: strategy.Independent})
				require.NoError(t, s.Start(t.Context()))
				began := time.Now()
				answer := make(chan error, 1)
				go func() {
					answer <- s.StartChild(context.Background(), child.Spec{Name: "a", StartTimeout: 4 * time.Second, Run: func(ctx child.Context) error {
						<-ctx.Done()
						return nil
					}})
				}()
				synctest.Wait()
				for _, late := range test.late {
					lateBy(s.latest(), late)
					time.Sleep(4 * time.Second)
					synctest.Wait()
				}
				require.ErrorIs(t, <-answer, child.ErrStartTimeout)
				require.Equal(t, test.ended, time.Since(began))
			})
		})
	}
}

// All deadlines of one queue may have been delayed, also those that are not due yet.
// Those with a longer timeout, whose slack is longer, were not.
func TestAStandstillExtendsAllTimeoutsOfOneLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t)
		s := quietRoot(t, Spec{Strategy: strategy.Independent})
		require.NoError(t, s.Start(t.Context()))
		recorded := happenings(t, s, EventFailed)
		add := func(name string, limit time.Duration) {
			go func() {
				_ = s.StartChild(context.Background(), child.Spec{Name: name, StartTimeout: limit, StopTimeout: child.AtOnce, Run: d.start})
			}()
			synctest.Wait()
		}
		add("long", 8*time.Second)
		add("a", 4*time.Second)
		time.Sleep(time.Second)
		add("b", 4*time.Second)
		lateBy(s.latest(), 1500*time.Millisecond) // at 4 s
		time.Sleep(4 * time.Second)
		add("c", 4*time.Second) // after that, at 5 s
		time.Sleep(time.Minute)
		require.ElementsMatch(t, []string{
			"failed /root/a 8s", "failed /root/b 8s", "failed /root/long 8s", "failed /root/c 9s",
		}, recorded())
	})
}

func TestStopTimeoutGetsOneMorePeriodAfterAStandstillAndAHangingChildIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "a", StopTimeout: 4 * time.Second, Run: newDeaf(t).Run}}})
		require.NoError(t, s.Start(t.Context()))
		time.Sleep(time.Minute)
		began := time.Now()
		answer := make(chan error, 1)
		go func() { answer <- s.StopChild(context.Background(), "a") }()
		for range 2 {
			synctest.Wait()
			lateBy(s.latest(), time.Hour)
			time.Sleep(4 * time.Second)
		}
		var stop *StopError
		require.ErrorAs(t, <-answer, &stop)
		require.Equal(t, 8*time.Second, time.Since(began))
		require.Equal(t, 8*time.Second, stop.Abandoned[0].After)
		require.Contains(t, string(stop.Abandoned[0].Stack), "deaf.Run")
	})
}

// A supervisor that is stopped has nine tenths of its timeout for an ordered stop, and the
// rest to stop all at once. It keeps both stages when a standstill extends its timeout.
func TestNestedSupervisorIsHurriedAlsoAfterAStandstill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := New(Spec{Children: []child.Spec{
			{Name: "x", Run: obedientRun},
			{Name: "y", Run: newDeaf(t).Run, StopTimeout: child.Forever},
		}})
		s := quietRoot(t, Spec{Children: []child.Spec{{Name: "in", StopTimeout: 10 * time.Second, Run: inner.Run}}})
		require.NoError(t, s.Start(t.Context()))
		recorded := happenings(t, s, EventStopping, EventAbandoned)
		go func() { _ = s.StopChild(context.Background(), "in") }()
		synctest.Wait()
		lateBy(s.latest(), time.Hour)
		time.Sleep(time.Minute)
		require.Equal(t, []string{
			"stopping /root/in 0s", "stopping /root/in/y 0s",
			"stopping /root/in/x 18s", "abandoned /root/in/y 19s",
		}, recorded())
	})
}

func obedientRun(ctx child.Context) error {
	err := ctx.Ready()
	<-ctx.Done()
	return err
}

func TestBudgetStartsOverOnceAfterAStandstill(t *testing.T) {
	for name, test := range map[string]struct {
		late        [2]time.Duration // of the parts
		hurry, over time.Duration
		again       bool
	}{
		"in time":                          {over: 10 * time.Second, hurry: 9 * time.Second},
		"late, but within the slack":       {late: [2]time.Duration{2250 * time.Millisecond}, hurry: 9 * time.Second, over: 10 * time.Second},
		"the first part late":              {late: [2]time.Duration{2251 * time.Millisecond}, hurry: 18 * time.Second, over: 19 * time.Second},
		"both parts late":                  {late: [2]time.Duration{time.Hour, time.Hour}, hurry: 18 * time.Second, over: 19 * time.Second},
		"both parts late, and once more":   {late: [2]time.Duration{time.Hour, time.Hour}, hurry: 18 * time.Second, over: 19 * time.Second, again: true},
		"the second part late, a bit":      {late: [2]time.Duration{0, 2500 * time.Millisecond}, hurry: 9 * time.Second, over: 10 * time.Second},
		"the second part late, by a whole": {late: [2]time.Duration{0, time.Hour}, hurry: 9 * time.Second, over: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := quietRoot(t, Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{
					{Name: "x", Run: obedientRun},
					{Name: "y", Run: newDeaf(t).Run, StopTimeout: child.Forever},
				}})
				require.NoError(t, s.Start(t.Context()))
				recorded := happenings(t, s, EventStopping, EventAbandoned)
				answer := make(chan error, 1)
				go func() { answer <- s.Stop(context.Background()) }()
				synctest.Wait()
				l := s.latest()
				late := func() {
					l.mu.Lock()
					defer l.mu.Unlock()
					for i := range l.budget.parts {
						l.budget.parts[i].due -= test.late[i]
					}
				}
				late()
				time.Sleep(9*time.Second + time.Millisecond)
				if test.again {
					late()
				}
				require.Error(t, <-answer)
				require.Equal(t, []string{
					"stopping /root/y 0s", "stopping /root/x " + test.hurry.String(), "abandoned /root/y " + test.over.String(),
				}, recorded())
			})
		})
	}
}

func TestNoTimerOfABudgetGoesOnAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := quietRoot(t, Spec{StopTimeout: 10 * time.Second, Children: []child.Spec{{Name: "x", Run: obedientRun}}})
		require.NoError(t, s.Start(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		for _, p := range s.latest().budget.parts {
			require.False(t, p.timer.Stop(), "it was stopped already")
		}
	})
}
