package supervisor_test

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// script is a backoff of 1 s, 2 s, 3 s and so on until Reset.
type script struct{ calls int }

func (s *script) NextBackOff() time.Duration {
	s.calls++
	return time.Duration(s.calls) * time.Second
}
func (s *script) Reset() { s.calls = 0 }

func growing() child.BackoffPolicy { return new(script) }

// pause lets p fail, and returns after which time it is ready again.
func pause(t *testing.T, sup *supervisor.Supervisor, name string, p *puppet) time.Duration {
	t.Helper()
	p.end(errBoom)
	at := time.Now()
	for state(t, sup, name) != child.Running {
		require.Less(t, time.Since(at), 1000*time.Hour, "%s is not restarted", name)
		time.Sleep(time.Second)
		synctest.Wait()
	}
	return time.Since(at)
}

func TestBackoffOfTheChildOverridesThatOfTheSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, c := newPuppet(), newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{Backoff: child.Constant(time.Second), Children: []child.Spec{
			{Name: "a", Run: a.Run},
			{Name: "b", Run: b.Run, Backoff: child.Constant(time.Minute)},
		}})
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "c", Run: c.Run}))
		require.Equal(t, time.Second, pause(t, sup, "a", a))
		require.Equal(t, time.Minute, pause(t, sup, "b", b))
		require.Equal(t, time.Second, pause(t, sup, "c", c), "dynamic ones too")
	})
}

func TestEachChildHasItsOwnBackoffOverAllItsRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		made := 0
		a, b := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{
			Backoff:  func() child.BackoffPolicy { made++; return growing() },
			Children: []child.Spec{{Name: "a", Run: a.Run}, {Name: "b", Run: b.Run}},
		})
		require.Zero(t, made, "not before it is needed")
		for n := 1; n <= 4; n++ {
			require.Equal(t, time.Duration(n)*time.Second, pause(t, sup, "a", a))
		}
		require.Equal(t, 1, made)
		require.Equal(t, time.Second, pause(t, sup, "b", b))
		require.Equal(t, 2, made)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, 5*time.Second, pause(t, sup, "a", a), "also over a restart by hand")
		require.Equal(t, 2, made)
	})
}

func TestBackoffStartsOverAfterAHealthyTime(t *testing.T) {
	for name, c := range map[string]struct{ resetAfter, healthy time.Duration }{
		"by default a minute": {0, time.Minute},
		"as the spec says":    {time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := newPuppet()
				sup := start(t, supervisor.Spec{Children: []child.Spec{
					{Name: "a", Run: p.Run, Backoff: growing, ResetAfter: c.resetAfter},
				}})
				require.Equal(t, 1*time.Second, pause(t, sup, "a", p))
				time.Sleep(c.healthy - time.Millisecond)
				require.Equal(t, 2*time.Second, pause(t, sup, "a", p), "not quite")
				require.Equal(t, 3*time.Second, pause(t, sup, "a", p), "times do not add up")
				time.Sleep(c.healthy)
				require.Equal(t, 1*time.Second, pause(t, sup, "a", p))
			})
		})
	}
}

// The time that a start takes is not a healthy one.
func TestOnlyTimeAsReadyResetsABackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{
			Name: "a", Backoff: growing,
			Run: func(ctx child.Context) error {
				time.Sleep(time.Hour)
				return p.Run(ctx)
			},
		}}})
		require.Equal(t, time.Hour+1*time.Second, pause(t, sup, "a", p))
		require.Equal(t, time.Hour+2*time.Second, pause(t, sup, "a", p))
	})
}

// A child that says Unready when its database is away, and fails after a while, is
// not healthy for that while.
func TestTimeAsUnreadyDoesNotResetABackoff(t *testing.T) {
	type stretch struct {
		unready bool
		lasts   time.Duration
	}
	const ready, unready = false, true
	for name, c := range map[string]struct {
		run   []stretch
		reset bool
	}{
		"unready from the beginning":    {[]stretch{{unready, time.Hour}}, false},
		"ready for too short a time":    {[]stretch{{ready, time.Minute - 1}, {unready, time.Hour}}, false},
		"ready for long enough":         {[]stretch{{ready, time.Minute}, {unready, time.Hour}}, true},
		"ready again, but not for long": {[]stretch{{unready, time.Hour}, {ready, time.Minute - 1}}, false},
		"ready again for long enough":   {[]stretch{{unready, time.Hour}, {ready, time.Minute}}, true},
		"said again and again":          {[]stretch{{unready, time.Hour}, {unready, time.Hour}, {ready, time.Minute - 1}}, false},
		"ready all in all":              {[]stretch{{ready, 30 * time.Second}, {unready, time.Hour}, {ready, 30 * time.Second}}, true},
		"not even all in all":           {[]stretch{{ready, 30 * time.Second}, {unready, time.Hour}, {ready, 30*time.Second - 1}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var run child.Context
				p := newPuppet()
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Backoff: growing, Run: func(ctx child.Context) error {
					run = ctx
					return p.Run(ctx)
				}}}})
				require.Equal(t, 1*time.Second, pause(t, sup, "a", p))
				for _, s := range c.run {
					if s.unready {
						run.Unready(errBoom)
					} else {
						require.NoError(t, run.Ready())
					}
					time.Sleep(s.lasts)
				}
				want := 2 * time.Second
				if c.reset {
					want = 1 * time.Second
				}
				require.Equal(t, want, pause(t, sup, "a", p))
				require.Equal(t, want+time.Second, pause(t, sup, "a", p), "of the next run it says nothing")
				time.Sleep(time.Minute)
				require.Equal(t, 1*time.Second, pause(t, sup, "a", p))
			})
		})
	}
}

func TestRetriesGivesUpWithTheLastFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &flaky{puppet: newPuppet(), failures: 100}
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "other", Run: newPuppet().Run},
			{Name: "f", Run: f.Run, Backoff: child.Constant(time.Second).Retries(3)},
		}})
		recorded := record(t, sup)
		at := time.Now()
		f.end(errBoom)
		err := sup.Wait()
		require.Equal(t, at.Add(3*time.Second), time.Now())
		require.EqualError(t, err, "/root: gave up: backoff gave up: /root/f: start 4: boom")
		var e *supervisor.GaveUpError
		require.ErrorAs(t, err, &e)
		require.Equal(t, strategy.Intensity{}, e.Limit, "no limit was passed")
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []string{
			"failed f", "restarting f", "starting f",
			"failed f", "restarting f", "starting f",
			"failed f", "restarting f", "starting f",
			"failed f", "gave-up", "stopping other", "stopped other",
		}, recorded.lines())
	})
}

func TestRetriesStartOverAfterAHealthyTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: child.Constant(time.Second).Retries(2)},
		}})
		for range 10 {
			require.Equal(t, time.Second, pause(t, sup, "a", p))
			time.Sleep(time.Minute)
		}
	})
}

func TestPoliciesOfBackoffV4AreUsedAsTheyAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		exponential, bounded := newPuppet(), newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "exponential", Run: exponential.Run, Backoff: func() child.BackoffPolicy {
				return backoff.NewExponentialBackOff(
					backoff.WithInitialInterval(time.Second), backoff.WithRandomizationFactor(0), backoff.WithMultiplier(3))
			}},
			{Name: "bounded", Run: bounded.Run, Backoff: func() child.BackoffPolicy {
				return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 2)
			}},
		}})
		require.Equal(t, 1*time.Second, pause(t, sup, "exponential", exponential))
		require.Equal(t, 3*time.Second, pause(t, sup, "exponential", exponential))
		require.Equal(t, 9*time.Second, pause(t, sup, "exponential", exponential))
		require.Equal(t, time.Second, pause(t, sup, "bounded", bounded))
		require.Equal(t, time.Second, pause(t, sup, "bounded", bounded))
		bounded.end(errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: backoff gave up: /root/bounded: boom")
	})
}

// policy is a backoff made of one function.
type policy func() time.Duration

func (p policy) NextBackOff() time.Duration { return p() }
func (policy) Reset()                       {}

func TestBackoffThatPanicsGoexitsOrReturnsNegativeGivesUp(t *testing.T) {
	of := func(p policy) child.Backoff { return func() child.BackoffPolicy { return p } }
	for name, b := range map[string]child.Backoff{
		"negative":       of(func() time.Duration { return -time.Nanosecond }),
		"panic":          of(func() time.Duration { panic("at the policy") }),
		"Goexit":         of(func() time.Duration { runtime.Goexit(); return 0 }),
		"panic to make":  func() child.BackoffPolicy { panic("at the factory") },
		"Goexit to make": func() child.BackoffPolicy { runtime.Goexit(); return nil },
	} {
		for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.RestForOne, strategy.Independent} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					sup, p := ups(t, supervisor.Spec{Strategy: s, Backoff: b})
					p[1].end(errBoom)
					require.EqualError(t, sup.Wait(), "/root: gave up: backoff gave up: /root/b: boom")
				})
			})
		}
	}
}

// A backoff must not block. If it does all the same, only its child is delayed.
func TestBackoffThatBlocksDelaysItsChildAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		block := make(chan struct{})
		sup, p := ups(t, supervisor.Spec{Children: []child.Spec{}, Intensity: strategy.Unlimited()})
		q := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "q", Run: q.Run, Backoff: func() child.BackoffPolicy {
			return policy(func() time.Duration { <-block; return time.Second })
		}}))
		q.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "q"))
		st, _ := sup.Lookup("q")
		require.Zero(t, st.NextStart, "it has not said")

		p[0].end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "a"))
		require.NoError(t, sup.RestartChild(t.Context(), "q"))
		require.NoError(t, sup.StopChild(t.Context(), "q"))
		require.NoError(t, sup.Stop(t.Context()))
		close(block) // its answer comes late and is ignored
		synctest.Wait()
		require.Equal(t, child.Stopped, sup.Children()[3].State)
	})
}

func TestBackoffThatReturnsNilNeverWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		made := 0
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "a", Run: p.Run, Backoff: func() child.BackoffPolicy { made++; return nil }},
		}})
		for range 10 {
			require.Zero(t, pause(t, sup, "a", p))
		}
		require.Equal(t, 1, made, "called once for each child")
	})
}

// Restarts without a pause are a loop, not a recursion, and take no timer.
func TestBackoffOfZeroRestartsAtOnceAnyNumberOfTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &flaky{puppet: newPuppet(), failures: 5_000}
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "f", Run: f.Run, Backoff: child.Constant(0)}}})
		at := time.Now()
		f.end(errBoom)
		require.Equal(t, child.Running, state(t, sup, "f"))
		require.Equal(t, at, time.Now())
		st, _ := sup.Lookup("f")
		require.Equal(t, 5_001, st.Restarts)
	})
}

func TestEachRestartIsReportedOnceWithItsBackoff(t *testing.T) {
	for _, s := range allStrategies {
		bubble(t, func(t *testing.T) {
			sup, p := ups(t, supervisor.Spec{Strategy: s, Backoff: growing})
			recorded := record(t, sup, supervisor.EventRestarting)
			for n := range 3 {
				p[2].end(errBoom)
				time.Sleep(time.Minute / 2)
				events := recorded.take()
				require.Len(t, events, 1, s)
				require.Equal(t, time.Duration(n+1)*time.Second, events[0].Delay)
				require.Equal(t, errBoom, events[0].Err)
				require.Equal(t, n, events[0].Restarts)
			}
		})
	}
}

// The event of a restart has the error of the end that led to it, not an earlier one.
func TestRestartAfterANormalEndReportsNoError(t *testing.T) {
	for name, b := range map[string]child.Backoff{
		"without a pause": child.Backoff(nil),
		"with one":        child.Constant(time.Second).Retries(2),
	} {
		for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := newPuppet()
					sup := start(t, supervisor.Spec{Strategy: s, Intensity: strategy.AtMost(2, time.Hour), Children: []child.Spec{
						{Name: "a", Run: p.Run, Backoff: b},
					}})
					recorded := record(t, sup, supervisor.EventRestarting)
					p.end(errBoom)
					time.Sleep(time.Second)
					p.end(nil)
					time.Sleep(time.Second)
					events := recorded.take()
					require.Len(t, events, 2)
					require.Equal(t, errBoom, events[0].Err)
					require.NoError(t, events[1].Err)
					p.end(nil)
					err := sup.Wait()
					var e *supervisor.GaveUpError
					require.ErrorAs(t, err, &e)
					require.NoError(t, e.Err)
				})
			})
		}
	}
}

// OnError is no failure: it is not what a restart is for.
func TestGivingUpNamesTheFailureNotWhatOnErrorReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{
			Name:    "a",
			Backoff: child.Constant(time.Second).Retries(0),
			Run: func(ctx child.Context) error {
				if err := ctx.Ready(); err != nil {
					return err
				}
				ctx.OnError(errors.New("a detail"))
				return nil
			},
		}}})
		require.EqualError(t, sup.Serve(t.Context()), "/root: gave up: backoff gave up: /root/a: returned nil, but it is Permanent")
	})
}

func TestPanicOfABackoffIsReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{
			Name: "a", Run: func(ctx child.Context) error { _ = ctx.Ready(); return errBoom },
			Backoff: func() child.BackoffPolicy { return policy(func() time.Duration { panic("at the policy") }) },
		}}})
		recorded := record(t, sup, supervisor.EventError)
		require.ErrorIs(t, sup.Serve(t.Context()), errBoom)
		events := recorded.take()
		require.Len(t, events, 1)
		require.Equal(t, "/root/a", events[0].Path)
		require.EqualError(t, events[0].Err, "backoff: panic: at the policy")
		var panicked *child.PanicError
		require.ErrorAs(t, events[0].Err, &panicked)
		require.Contains(t, string(panicked.Stack()), "TestPanicOfABackoffIsReported")
	})
}
