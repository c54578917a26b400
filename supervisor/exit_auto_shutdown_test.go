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
)

var (
	anyOf = supervisor.Spec{AutoShutdown: strategy.AnySignificant}
	allOf = supervisor.Spec{AutoShutdown: strategy.AllSignificant}
)

// withSignificant starts a supervisor with a permanent child a, the significant s1 and s2,
// and a permanent child z.
func withSignificant(t *testing.T, spec supervisor.Spec, r child.Restart) (sup *supervisor.Supervisor, s1, s2 *puppet) {
	s1, s2 = newPuppet(), newPuppet()
	spec.Children = []child.Spec{
		{Name: "a", Run: newPuppet().Run},
		{Name: "s1", Run: s1.Run, Restart: r, Significant: true},
		{Name: "s2", Run: s2.Run, Restart: r, Significant: true},
		{Name: "z", Run: newPuppet().Run},
	}
	return start(t, spec), s1, s2
}

// ended reports whether the supervisor has.
func ended(sup *supervisor.Supervisor) bool {
	synctest.Wait()
	select {
	case <-sup.Done():
		return true
	default:
		return false
	}
}

func TestAnySignificantEndThatIsNotRestartedEndsTheSupervisor(t *testing.T) {
	for _, r := range []child.Restart{child.Transient, child.Temporary} {
		for _, e := range endings {
			t.Run(fmt.Sprintf("%v/%s", r, e.name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					sup, s1, _ := withSignificant(t, anyOf, r)
					recorded := record(t, sup)
					s1.endBy(e.end)
					require.Equal(t, !e.restarted(r), ended(sup))
					if e.restarted(r) {
						require.NoError(t, sup.Health())
						return
					}
					want := []string{"completed s1"}
					if !e.clean {
						want = []string{"failed s1"}
					}
					if r == child.Temporary {
						want = append(want, "removed s1")
					}
					want = append(want, "stopping z", "stopped z", "stopping s2", "stopped s2")
					if r == child.Temporary {
						want = append(want, "removed s2")
					}
					require.Equal(t, append(want, "stopping a", "stopped a"), recorded.lines())

					err := sup.Wait()
					if e.clean {
						require.NoError(t, err)
						return
					}
					var of *supervisor.ChildError
					require.ErrorAs(t, err, &of)
					require.Equal(t, "/root/s1", of.Path)
				})
			})
		}
	}
}

func TestAllSignificantEndsWithTheLast(t *testing.T) {
	for _, s := range allStrategies {
		for _, r := range []child.Restart{child.Transient, child.Temporary} {
			bubble(t, func(t *testing.T) {
				spec := allOf
				spec.Strategy = s
				sup, s1, s2 := withSignificant(t, spec, r)
				s1.end(nil)
				require.False(t, ended(sup))
				s2.end(nil)
				require.True(t, ended(sup))
				require.NoError(t, sup.Wait())
			})
		}
	}
}

func TestAllSignificantReturnsTheErrorOfTheLastOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup, s1, s2 := withSignificant(t, allOf, child.Temporary)
		s1.end(nil)
		s2.end(errBoom)
		require.EqualError(t, sup.Wait(), "/root/s2: boom")
	})
	bubble(t, func(t *testing.T) {
		sup, s1, s2 := withSignificant(t, allOf, child.Temporary)
		s1.end(errBoom)
		s2.end(nil)
		require.NoError(t, sup.Wait(), "the end of s1 ended nothing")
	})
}

func TestSignificantChildThatWaitsForItsRestartHoldsTheSupervisor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := allOf
		spec.Backoff = child.Constant(time.Minute)
		sup, s1, s2 := withSignificant(t, spec, child.Transient)
		s1.end(errBoom)
		require.Equal(t, child.Waiting, state(t, sup, "s1"))
		s2.end(nil)
		require.False(t, ended(sup))
		time.Sleep(time.Minute)
		s1.end(nil)
		require.True(t, ended(sup))
	})
}

func TestStopsByHandEndNoSupervisor(t *testing.T) {
	for _, spec := range []supervisor.Spec{anyOf, allOf} {
		for _, r := range []child.Restart{child.Transient, child.Temporary} {
			bubble(t, func(t *testing.T) {
				sup, _, _ := withSignificant(t, spec, r)
				require.NoError(t, sup.StopChild(t.Context(), "s1"))
				require.NoError(t, sup.RemoveChild(t.Context(), "s2"))
				require.False(t, ended(sup))
			})
		}
	}
}

// Nor does the supervisor wait for a significant child that was stopped by hand.
func TestSignificantChildStoppedByHandIsNotWaitedFor(t *testing.T) {
	for _, r := range []child.Restart{child.Transient, child.Temporary} {
		bubble(t, func(t *testing.T) {
			sup, s1, _ := withSignificant(t, allOf, r)
			require.NoError(t, sup.StopChild(t.Context(), "s2"))
			s1.end(nil)
			require.True(t, ended(sup))
		})
	}
}

func TestOtherEndsEndNoSupervisor(t *testing.T) {
	for _, spec := range []supervisor.Spec{anyOf, allOf} {
		bubble(t, func(t *testing.T) {
			p := newPuppet()
			spec.Children = []child.Spec{{Name: "p", Run: p.Run, Restart: child.Transient}}
			sup := start(t, spec)
			p.end(nil)
			require.False(t, ended(sup), "it was not significant")
		})
	}
	bubble(t, func(t *testing.T) {
		p := newPuppet()
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "p", Run: p.Run, Restart: child.Temporary}}})
		p.end(nil)
		require.False(t, ended(sup), "never by default, also when no child is left")
	})
}

// In a group restart a significant child is stopped like the others. That does not
// count as its end, not even for a temporary child that is not restarted.
func TestGroupRestartEndsNoSupervisor(t *testing.T) {
	for _, r := range []child.Restart{child.Transient, child.Temporary} {
		bubble(t, func(t *testing.T) {
			p, s := newPuppet(), newPuppet()
			sup := start(t, supervisor.Spec{
				Strategy:     strategy.OneForAll,
				AutoShutdown: strategy.AnySignificant,
				Children: []child.Spec{
					{Name: "p", Run: p.Run},
					{Name: "s", Run: s.Run, Restart: r, Significant: true},
					{Name: "z", Run: slow(0, time.Second)},
				},
			})
			p.end(errBoom)
			require.Equal(t, child.Stopping, state(t, sup, "z"))
			s.end(nil) // by itself, but its group goes down already
			time.Sleep(2 * time.Second)
			require.False(t, ended(sup))
			_, kept := sup.Lookup("s")
			require.Equal(t, r == child.Transient, kept)
			if kept {
				s.end(nil)
				require.NoError(t, sup.Wait(), "in its next run it counts")
			}
		})
	}
}

// As in OTP, the caller of Start sees the supervisor up first.
func TestSignificantEndWhileBootingIsJudgedWhenAllAreUp(t *testing.T) {
	work := child.Spec{Name: "work", Run: child.Task(func(context.Context) error { return nil }), Restart: child.Transient, Significant: true}
	more := work
	more.Name = "more"
	for name, c := range map[string]struct {
		auto     strategy.AutoShutdown
		children []child.Spec
		ends     bool
	}{
		"any":                      {strategy.AnySignificant, []child.Spec{work, {Name: "z", Run: slow(time.Second, 0)}}, true},
		"all, one after another":   {strategy.AllSignificant, []child.Spec{work, {Name: "z", Run: slow(time.Second, 0)}, more}, true},
		"all, and one is left":     {strategy.AllSignificant, []child.Spec{work, {Name: "s", Run: slow(time.Second, 0), Restart: child.Transient, Significant: true}}, false},
		"nothing but work":         {strategy.AllSignificant, []child.Spec{work, more}, true},
		"never, and insignificant": {strategy.Never, []child.Spec{{Name: "work", Run: work.Run, Restart: child.Transient}}, false},
	} {
		for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
			t.Run(name+"/"+s.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					sup := start(t, supervisor.Spec{Strategy: s, AutoShutdown: c.auto, Children: c.children})
					require.Equal(t, c.ends, ended(sup))
					if c.ends {
						require.NoError(t, sup.Wait())
					}
				})
			})
		}
	}
}

func TestAutoShutdownCascadesThroughSignificantSupervisors(t *testing.T) {
	for _, c := range []struct {
		name  string
		inner child.Spec
		want  []string
		ends  bool
	}{
		{"significant", child.Spec{Restart: child.Transient, Significant: true},
			[]string{"completed inner/work", "stopping inner/rest", "stopped inner/rest", "completed inner", "stopping a", "stopped a"}, true},
		{"plain", child.Spec{Restart: child.Transient},
			[]string{"completed inner/work", "stopping inner/rest", "stopped inner/rest", "completed inner"}, false},
		{"permanent", child.Spec{},
			[]string{"completed inner/work", "stopping inner/rest", "stopped inner/rest", "completed inner", "restarting inner",
				"starting inner", "starting inner/work", "ready inner/work", "starting inner/rest", "ready inner/rest", "ready inner"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				work := newPuppet()
				inner := supervisor.New(supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
					{Name: "work", Run: work.Run, Restart: child.Transient, Significant: true},
					{Name: "rest", Run: newPuppet().Run},
				}})
				c.inner.Name, c.inner.Run = "inner", inner.Run
				sup := start(t, supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
					{Name: "a", Run: newPuppet().Run}, c.inner,
				}})
				recorded := record(t, sup)
				work.end(nil)
				require.Equal(t, c.want, recorded.lines())
				require.Equal(t, c.ends, ended(sup))
				if c.ends {
					require.NoError(t, sup.Wait())
				}
			})
		})
	}
}

// The failure of a temporary significant child ends its supervisor; to the
// parent that is an end of the kind shutdown, as in OTP, and no failure.
func TestAutoShutdownAfterAFailureIsNoFailureToTheParent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		work := newPuppet()
		inner := supervisor.New(supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
			{Name: "work", Run: work.Run, Restart: child.Temporary, Significant: true},
		}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run, Restart: child.Transient}}})
		recorded := record(t, sup)
		work.end(child.ErrNotReady) // any error
		require.Equal(t, []string{"failed inner/work", "removed inner/work", "completed inner"}, recorded.lines())
		require.Equal(t, child.Done, state(t, sup, "inner"))
		require.EqualError(t, inner.Wait(), "/root/inner/work: not ready")
	})
}

// A significant supervisor that gives up ends its parent too, and the root's
// Serve returns why.
func TestSignificantSupervisorThatGivesUpEndsItsParent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{Restart: child.Transient, Significant: true}, anyOf)
		f.x.end(errBoom)
		require.Equal(t, append(innerGivesUp, "stopping first", "stopped first"), f.recorded.lines())
		err := f.root.Wait()
		var of *supervisor.ChildError
		require.ErrorAs(t, err, &of)
		require.Equal(t, "/root/inner", of.Path)
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, err, &gaveUp)
		require.ErrorIs(t, err, errBoom)
	})
}

func TestSignificantChildMayBeAddedAtRunTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, allOf)
		p := newPuppet()
		require.NoError(t, sup.StartChild(t.Context(), child.Spec{Name: "p", Run: p.Run, Restart: child.Temporary, Significant: true}))
		require.Error(t, sup.StartChild(t.Context(), child.Spec{
			Name: "q", Run: func(child.Context) error { return errBoom }, Restart: child.Temporary, Significant: true,
		}), "one that never came up has not ended")
		require.False(t, ended(sup))
		p.end(errBoom)
		require.EqualError(t, sup.Wait(), "/root/p: boom")
	})
}

func TestChildrenStoppedByAnAutoShutdownSeeErrStopped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause error
		p := newPuppet()
		sup := start(t, supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
			{Name: "a", Run: child.Plain(func(ctx context.Context) error {
				<-ctx.Done()
				cause = context.Cause(ctx)
				return nil
			})},
			{Name: "p", Run: p.Run, Restart: child.Transient, Significant: true},
		}})
		p.end(nil)
		require.NoError(t, sup.Wait())
		require.ErrorIs(t, cause, child.ErrStopped)
		require.NotErrorIs(t, cause, child.ErrGaveUp)
	})
}
