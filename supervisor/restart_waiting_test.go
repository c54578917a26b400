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

// waiting starts a supervisor in which w, the second of three, waits for its
// restart in an hour.
func waiting(t *testing.T, spec supervisor.Spec) (sup *supervisor.Supervisor, p [3]*puppet) {
	for i, name := range []string{"a", "w", "z"} {
		p[i] = newPuppet()
		c := child.Spec{Name: name, Run: p[i].Run}
		if name == "w" {
			c.Backoff = child.Constant(time.Hour)
		}
		spec.Children = append(spec.Children, c)
	}
	sup = start(t, spec)
	p[1].end(errBoom)
	require.Equal(t, child.Waiting, state(t, sup, "w"))
	return sup, p
}

func TestNextStartOfAWaitingChildIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, _ := waiting(t, supervisor.Spec{})
		due := time.Now().Add(time.Hour)
		time.Sleep(10 * time.Minute)
		st, _ := sup.Lookup("w")
		require.Equal(t, due, st.NextStart)
		require.Equal(t, due.Add(-time.Hour), st.Since)
		require.Contains(t, sup.Tree().String(), "w  waiting   next start in 50m0s, last: boom")
		require.EqualError(t, sup.Health(), "/root/w: not ready: next start in 50m0s: boom")
		require.Equal(t, supervisor.Counts{Specs: 3, Active: 2, Workers: 3}, sup.Count())
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		st, _ = sup.Lookup("w")
		require.Equal(t, child.Running, st.State)
		require.Zero(t, st.NextStart)
	})
}

func TestWaitingChildNeverDelaysASibling(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		bubble(t, func(t *testing.T) {
			sup, p := waiting(t, supervisor.Spec{Strategy: s, Intensity: strategy.Unlimited()})
			at := time.Now()
			for range 10 {
				p[0].end(errBoom)
				p[2].end(errBoom)
				require.Equal(t, child.Running, state(t, sup, "a"))
				require.Equal(t, child.Running, state(t, sup, "z"))
			}
			require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "new", Run: newPuppet().Run}))
			require.NoError(t, sup.RestartChild(t.Context(), "a", "z", "new"))
			require.NoError(t, sup.RemoveChild(t.Context(), "a", "new"))
			require.Equal(t, at, time.Now(), "no call has waited")
			require.Equal(t, child.Waiting, state(t, sup, "w"))
		})
	}
}

// Under RestForOne the children before it are not in its group.
func TestWaitingChildDelaysOnlyItsGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		z := newPuppet()
		sup := start(t, supervisor.Spec{
			Strategy:  strategy.RestForOne,
			Intensity: strategy.Unlimited(),
			Children: []child.Spec{
				{Name: "a", Run: newPuppet().Run},
				{Name: "z", Run: z.Run, Backoff: child.Constant(time.Hour)},
			},
		})
		z.end(errBoom)
		at := time.Now()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "new", Run: newPuppet().Run}))
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, at, time.Now())
		require.Equal(t, child.Running, state(t, sup, "new"))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.NoError(t, sup.Health())
		require.Equal(t, child.Running, state(t, sup, "new"))
	})
}

func TestStopRemoveAndRestartActOnAWaitingChildAtOnce(t *testing.T) {
	for _, s := range allStrategies {
		for name, act := range map[string]func(*supervisor.Supervisor) error{
			"stop":    func(sup *supervisor.Supervisor) error { return sup.StopChild(context.Background(), "w") },
			"remove":  func(sup *supervisor.Supervisor) error { return sup.RemoveChild(context.Background(), "w") },
			"restart": func(sup *supervisor.Supervisor) error { return sup.RestartChild(context.Background(), "w") },
		} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					sup, _ := waiting(t, supervisor.Spec{Strategy: s})
					recorded := record(t, sup, supervisor.EventStarting)
					at := time.Now()
					require.NoError(t, act(sup))
					require.Equal(t, at, time.Now())
					st, ok := sup.Lookup("w")
					switch {
					case name == "restart":
						require.Equal(t, child.Running, st.State)
						require.Zero(t, st.Restarts)
						synctest.Wait() // for the rest of its group
						require.NoError(t, sup.Health())
					case name == "remove" || s == strategy.Independent:
						require.False(t, ok)
					default:
						require.Equal(t, child.Stopped, st.State)
						require.Zero(t, st.NextStart)
					}
					recorded.take()
					time.Sleep(2 * time.Hour)
					require.Empty(t, recorded.take(), "the restart that was due does not come")
				})
			})
		}
	}
}

func TestStopOfTheTreeDoesNotWaitForABackoff(t *testing.T) {
	for _, s := range allStrategies {
		bubble(t, func(t *testing.T) {
			sup, _ := waiting(t, supervisor.Spec{Strategy: s})
			at := time.Now()
			require.NoError(t, sup.Stop(t.Context()))
			require.Equal(t, at, time.Now())
			for _, st := range sup.Children() {
				require.Equal(t, child.Stopped, st.State)
			}
		})
	}
}

// The restart falls due at the very moment of another request.
func TestRequestThatMeetsItsRetryTimerInFlight(t *testing.T) {
	for _, s := range allStrategies {
		for range 20 {
			bubble(t, func(t *testing.T) {
				sup, _ := waiting(t, supervisor.Spec{Strategy: s})
				ctx := t.Context()
				time.Sleep(time.Hour)
				require.NoError(t, sup.RemoveChild(ctx, "w"))
				_, ok := sup.Lookup("w")
				require.False(t, ok)
				synctest.Wait()
				for _, st := range sup.Children() {
					require.NotEqual(t, "w", st.Name)
				}
			})
			bubble(t, func(t *testing.T) {
				sup, p := waiting(t, supervisor.Spec{Strategy: s})
				ctx := t.Context()
				time.Sleep(time.Hour)
				require.NoError(t, sup.RestartChild(ctx, "w"))
				synctest.Wait()
				require.NoError(t, sup.Health())
				p[1].end(errBoom) // exactly one run is there to take it, and a new hour begins
				require.Equal(t, child.Waiting, state(t, sup, "w"))
				st, _ := sup.Lookup("w")
				require.Equal(t, time.Now().Add(time.Hour), st.NextStart)
			})
			bubble(t, func(t *testing.T) {
				sup, _ := waiting(t, supervisor.Spec{Strategy: s})
				ctx := t.Context()
				time.Sleep(time.Hour)
				require.NoError(t, sup.Stop(ctx))
				require.Zero(t, sup.Count().Active)
			})
		}
	}
}

// The same without a clock: the backoff returns while the child is restarted by
// hand and fails again.
func TestLateAnswerOfABackoffStartsNoSecondRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		answers := make(chan time.Duration)
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Backoff: func() child.BackoffPolicy {
			return policy(func() time.Duration { return <-answers })
		}}}})
		recorded := record(t, sup, supervisor.EventStarting)

		p.end(errBoom)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		answers <- time.Second // ignored: it runs
		time.Sleep(time.Minute)
		require.Equal(t, []string{"starting a"}, recorded.lines())

		p.end(errBoom)
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		p.end(errBoom) // one answer is under way already, and does for this failure
		answers <- time.Second
		time.Sleep(time.Minute)
		require.Equal(t, []string{"starting a", "starting a"}, recorded.lines())
		require.NoError(t, sup.Health())
		p.end(errBoom)
		require.NoError(t, sup.RemoveChild(t.Context(), "a"))
		answers <- time.Second
		synctest.Wait()
		require.Zero(t, sup.Count().Specs)
	})
}

func TestSeveralWaitingChildrenWakeEachInItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := supervisor.Spec{}
		puppets := map[string]*puppet{}
		for i, name := range []string{"a", "b", "c"} {
			puppets[name] = newPuppet()
			spec.Children = append(spec.Children, child.Spec{
				Name: name, Run: puppets[name].Run, Backoff: child.Constant(time.Duration(3-i) * time.Second),
			})
		}
		sup := start(t, spec)
		recorded := record(t, sup, supervisor.EventReady)
		for _, p := range puppets {
			p.end(errBoom)
		}
		for _, name := range []string{"c", "b", "a"} {
			require.Empty(t, recorded.lines())
			time.Sleep(time.Second)
			require.Equal(t, []string{"ready " + name}, recorded.lines())
		}
	})
}
