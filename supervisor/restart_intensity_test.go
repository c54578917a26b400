package supervisor_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// ups starts a supervisor with three puppets.
func ups(t *testing.T, spec supervisor.Spec) (*supervisor.Supervisor, [3]*puppet) {
	var p [3]*puppet
	for i, name := range []string{"a", "b", "c"} {
		p[i] = newPuppet()
		spec.Children = append(spec.Children, child.Spec{Name: name, Run: p[i].Run})
	}
	return start(t, spec), p
}

func TestDefaultIntensityPermitsThreeRestartsInFiveSeconds(t *testing.T) {
	for _, s := range allStrategies {
		bubble(t, func(t *testing.T) {
			sup, p := ups(t, supervisor.Spec{Strategy: s})
			for range 3 {
				p[1].end(errBoom)
				require.NoError(t, sup.Health())
			}
			p[1].end(errBoom)
			require.EqualError(t, sup.Wait(), "/root: gave up: more than 3 restarts in 5s: /root/b: boom")
			var e *supervisor.GaveUpError
			require.ErrorAs(t, sup.Wait(), &e)
			require.Equal(t, strategy.Intensity{}, e.Limit)
		})
	}
}

func TestRestartExactlyOnePeriodBackStillCounts(t *testing.T) {
	for gap, survives := range map[time.Duration]bool{
		5*time.Second - 1: false,
		5 * time.Second:   false,
		5*time.Second + 1: true,
	} {
		bubble(t, func(t *testing.T) {
			sup, p := ups(t, supervisor.Spec{Intensity: strategy.AtMost(1, 5*time.Second)})
			time.Sleep(time.Second)
			p[0].end(errBoom)
			time.Sleep(gap)
			p[0].end(errBoom)
			require.Equal(t, survives, sup.Health() == nil, gap)
		})
	}
}

func TestPeriodSlides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{})
		for range 3 { // three at 0 s, 2 s, 4 s
			p[0].end(errBoom)
			time.Sleep(2 * time.Second)
		}
		for range 100 { // then for ever one when the oldest has gone out
			p[0].end(errBoom)
			require.NoError(t, sup.Health())
			time.Sleep(2 * time.Second)
		}
		p[0].end(errBoom)
		p[0].end(errBoom)
		require.Error(t, sup.Wait())
	})
}

func TestAtMostZeroMakesTheFirstFailureTheLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{Intensity: strategy.AtMost(0, time.Second)})
		p[0].end(errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: more than 0 restarts in 1s: /root/a: boom")
	})
}

func TestAtMostOneIsSaidInTheSingular(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{Intensity: strategy.AtMost(1, time.Minute)})
		p[0].end(errBoom)
		p[0].end(errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: more than 1 restart in 1m0s: /root/a: boom")
	})
}

func TestUnlimitedNeverGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{Intensity: strategy.Unlimited()})
		for range 2000 {
			p[0].end(errBoom)
		}
		st, _ := sup.Lookup("a")
		require.Equal(t, 2000, st.Restarts)
		require.NoError(t, sup.Health())
	})
}

func TestIntensityIsSharedByAllChildren(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{})
		for i := range 3 {
			p[i].end(errBoom)
		}
		require.NoError(t, sup.Health())
		p[2].end(errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: more than 3 restarts in 5s: /root/c: boom")
	})
}

func TestGroupRestartCountsOnce(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForAll, strategy.RestForOne} {
		bubble(t, func(t *testing.T) {
			sup, p := ups(t, supervisor.Spec{Strategy: s, Intensity: strategy.AtMost(3, time.Hour)})
			for range 3 {
				p[0].end(errBoom)
				require.NoError(t, sup.Health())
			}
			p[0].end(errBoom)
			require.Error(t, sup.Wait())
		})
	}
}

// flaky is a child that comes up, ends when its puppet does, and then fails to
// start as often as failures says.
type flaky struct {
	*puppet
	failures, starts int
}

func (f *flaky) Run(ctx child.Context) error {
	f.starts++
	if f.starts > 1 && f.failures > 0 {
		f.failures--
		return fmt.Errorf("start %d: %w", f.starts, errBoom)
	}
	return f.puppet.Run(ctx)
}

func TestFailedAttemptsCount(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		for failures, survives := range map[int]bool{2: true, 3: false} {
			bubble(t, func(t *testing.T) {
				f := &flaky{puppet: newPuppet(), failures: failures}
				sup := start(t, supervisor.Spec{Strategy: s, Children: []child.Spec{{Name: "f", Run: f.Run}}})
				f.end(errBoom)
				if !survives {
					require.EqualError(t, sup.Wait(), "/root: gave up: more than 3 restarts in 5s: /root/f: start 4: boom")
					require.Equal(t, 4, f.starts)
					return
				}
				st, _ := sup.Lookup("f")
				require.Equal(t, child.Running, st.State)
				require.Equal(t, 3, st.Restarts)
			})
		}
	}
}

func TestRestartsByAPICostNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, p := ups(t, supervisor.Spec{Intensity: none})
		for range 20 {
			require.NoError(t, sup.RestartChild(t.Context(), "a"))
			require.NoError(t, sup.StopChild(t.Context(), "b"))
			require.NoError(t, sup.RestartChild(t.Context(), "b"))
		}
		st, _ := sup.Lookup("a")
		require.Zero(t, st.Restarts, "they are no automatic restarts either")
		p[0].end(errBoom)
		require.Error(t, sup.Wait(), "the first automatic one does cost")
	})
}

func TestEndsWithoutARestartCostNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{Intensity: none})
		for _, e := range endings {
			for _, r := range []child.Restart{child.Transient, child.Temporary} {
				if e.restarted(r) {
					continue
				}
				p := newPuppet()
				require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: e.name + r.String(), Run: p.Run, Restart: r}))
				p.endBy(e.end)
			}
		}
		require.NoError(t, sup.Health())
	})
}

func TestBudgetIsFreshAfterTheSupervisorsOwnRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := newPuppet()
		inner := supervisor.New(supervisor.Spec{
			Intensity: strategy.AtMost(1, time.Hour),
			Children:  []child.Spec{{Name: "x", Run: x.Run}},
		})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
		restarts := func() (ofInner, ofX int) {
			st, _ := sup.Lookup("inner")
			below, _ := sup.Lookup("inner/x")
			return st.Restarts, below.Restarts
		}
		for want := range 3 {
			ofInner, ofX := restarts()
			require.Equal(t, [2]int{want, 0}, [2]int{ofInner, ofX})
			x.end(errBoom)
			ofInner, ofX = restarts()
			require.Equal(t, [2]int{want, 1}, [2]int{ofInner, ofX})
			x.end(errBoom)
		}
		require.NoError(t, sup.Health())
	})
}

// It does not matter where the limit and the backoff are set.
func TestIntensityDoesNotCountRestartsWithABackoff(t *testing.T) {
	pause := child.Exponential(time.Millisecond, time.Second)
	for name, c := range map[string]struct {
		limit               strategy.Intensity
		supervisors, childs child.Backoff
	}{
		"default, the supervisor's": {supervisors: pause},
		"default, the child's":      {childs: pause},
		"AtMost, the child's":       {strategy.AtMost(5, time.Minute), nil, pause},
		"none, the child's":         {none, nil, pause},
	} {
		for _, s := range allStrategies {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					starts := 0
					sup := start(t, supervisor.Spec{
						Strategy: s, Intensity: c.limit, Backoff: c.supervisors,
						Children: []child.Spec{{Name: "a", Backoff: c.childs, Run: func(ctx child.Context) error {
							starts++
							if starts == 1 || starts%2 == 0 { // both kinds of failure
								if err := ctx.Ready(); err != nil {
									return err
								}
							}
							return errBoom
						}}},
					})
					time.Sleep(10 * time.Minute)
					synctest.Wait()
					_, ok := sup.Lookup("a")
					require.True(t, ok, "it is still there")
					require.Greater(t, starts, 600)
				})
			})
		}
	}
}

// Only the children without a backoff count towards the limit.
func TestIntensityStillCountsTheChildrenWithoutABackoff(t *testing.T) {
	for name, limit := range map[string]strategy.Intensity{
		"default": {},
		"AtMost":  strategy.AtMost(3, 5*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a, b := newPuppet(), newPuppet()
				sup := start(t, supervisor.Spec{Intensity: limit, Children: []child.Spec{
					{Name: "a", Run: a.Run, Backoff: child.Constant(time.Millisecond)},
					{Name: "b", Run: b.Run},
				}})
				for range 3 {
					a.end(errBoom)
					time.Sleep(time.Millisecond)
					b.end(errBoom)
					require.NoError(t, sup.Health())
				}
				b.end(errBoom)
				require.EqualError(t, sup.Wait(), "/root: gave up: more than 3 restarts in 5s: /root/b: boom")
			})
		})
	}
}

// The example of the README: a database that is away for a minute.
func TestChildWithABackoffOutlastsAnOutageDespiteTheIntensity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		back := time.Now().Add(time.Minute)
		sup := start(t, supervisor.Spec{
			Intensity: strategy.AtMost(5, time.Minute),
			Children: []child.Spec{{
				Name: "db", RetryStart: true, Backoff: child.Exponential(100*time.Millisecond, 30*time.Second),
				Run: func(ctx child.Context) error {
					if time.Now().Before(back) {
						return errBoom
					}
					return idle(ctx)
				},
			}},
		})
		require.NoError(t, sup.Health())
		require.False(t, time.Now().Before(back))
	})
}
