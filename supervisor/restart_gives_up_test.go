package supervisor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// none permits no restart: the first failure is the last.
var none = strategy.AtMost(0, time.Second)

// gaveUp starts a supervisor, lets its child b of a, b, c end by end, and
// returns how it ended and its events.
func gaveUp(t *testing.T, spec supervisor.Spec, b child.Spec, end func() error) (*supervisor.GaveUpError, []string) {
	p := newPuppet()
	b.Name, b.Run = "b", p.Run
	spec.Children = []child.Spec{{Name: "a", Run: newPuppet().Run}, b, {Name: "c", Run: newPuppet().Run}}
	sup := start(t, spec)
	recorded := record(t, sup)
	at := time.Now()
	p.endBy(end)
	var e *supervisor.GaveUpError
	require.ErrorAs(t, sup.Wait(), &e)
	require.Equal(t, at, time.Now(), "at once")
	return e, recorded.lines()
}

func TestSupervisorThatGivesUpStopsItsChildrenInOrder(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				e, recorded := gaveUp(t, supervisor.Spec{Strategy: s, Intensity: none}, child.Spec{}, func() error { return errBoom })
				require.Equal(t, []string{"failed b", "gave-up", "stopping c", "stopped c", "stopping a", "stopped a"}, recorded)
				require.Equal(t, &supervisor.GaveUpError{
					Path: "/root", Child: "/root/b", Err: errBoom, Limit: none, Reason: "more than 0 restarts in 1s",
				}, e)
				require.EqualError(t, e, "/root: gave up: more than 0 restarts in 1s: /root/b: boom")
				require.ErrorIs(t, e, child.ErrShutdown)
				require.ErrorIs(t, e, errBoom)
				require.NotErrorIs(t, e, child.ErrDone)
			})
		})
	}
}

func TestPermanentChildThatKeepsReturningNilIsGivenUpWithoutAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e, _ := gaveUp(t, supervisor.Spec{Intensity: none}, child.Spec{}, func() error { return nil })
		require.NoError(t, e.Err)
		require.EqualError(t, e, "/root: gave up: more than 0 restarts in 1s: /root/b: returned nil, but it is Permanent")
	})
}

func TestEscalateMakesTheSupervisorGiveUpAtOnce(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.OneForAll, strategy.RestForOne} {
		for _, r := range []child.Restart{child.Permanent, child.Transient, child.Temporary} {
			t.Run(fmt.Sprintf("%v/%v", s, r), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					said := fmt.Errorf("the disk is full: %w", child.Escalate(errBoom))
					e, recorded := gaveUp(t, supervisor.Spec{Strategy: s}, child.Spec{Restart: r}, func() error { return said })
					require.Equal(t, []string{"failed b", "gave-up", "stopping c", "stopped c", "stopping a", "stopped a"}, recorded)
					require.Equal(t, &supervisor.GaveUpError{Path: "/root", Child: "/root/b", Err: said, Reason: "escalated"}, e)
					require.EqualError(t, e, "/root: gave up: escalated: /root/b: the disk is full: escalated: boom")
					require.ErrorIs(t, e, errBoom)
				})
			})
		}
	}
}

func TestEscalateBeforeReadyGivesUpTheStart(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		t.Run(s.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := supervisor.New(supervisor.Spec{Strategy: s, Logger: quiet, Children: []child.Spec{
					{Name: "a", Run: newPuppet().Run},
					{Name: "b", RetryStart: true, Run: func(child.Context) error { return child.Escalate(errBoom) }},
				}})
				at := time.Now()
				err := sup.Start(t.Context())
				var e *supervisor.GaveUpError
				require.ErrorAs(t, err, &e)
				require.Equal(t, "escalated", e.Reason)
				require.ErrorIs(t, err, errBoom)
				var stop *supervisor.StopError
				require.False(t, errors.As(err, &stop), "no run is abandoned")
				require.Equal(t, at, time.Now(), "at once")
				for _, c := range sup.Children() {
					require.Equal(t, child.Stopped, c.State, c.Name)
					require.Zero(t, c.Abandoned, c.Name)
				}
			})
		})
	}
}

// A StartChild whose child escalates gets that error, and the supervisor ends.
func TestStartChildOfAChildThatEscalatesReportsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		err := sup.StartChild(t.Context(), child.Spec{Name: "b", Run: func(child.Context) error { return child.Escalate(errBoom) }})
		require.ErrorIs(t, err, errBoom)
		require.EqualError(t, sup.Wait(), "/root: gave up: escalated: /root/b: boom")
	})
}

// family is a root /root with children first and inner, a supervisor with the
// children x and y that gives up when x fails.
type family struct {
	root     *supervisor.Supervisor
	x        *puppet
	recorded *recorder
	log      *bytes.Buffer
}

func newFamily(t *testing.T, inner child.Spec, root supervisor.Spec) *family {
	f := &family{x: newPuppet(), log: new(bytes.Buffer)}
	nested := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{
		{Name: "x", Run: f.x.Run},
		{Name: "y", Run: newPuppet().Run},
	}})
	inner.Name, inner.Run = "inner", nested.Run
	root.Logger = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelError}))
	root.Children = []child.Spec{{Name: "first", Run: newPuppet().Run}, inner}
	f.root = start(t, root)
	f.recorded = record(t, f.root)
	return f
}

var innerGivesUp = []string{"failed inner/x", "gave-up inner", "stopping inner/y", "stopped inner/y", "failed inner"}

func (f *family) requireLoud(t *testing.T) {
	t.Helper()
	require.Contains(t, f.log.String(), "level=ERROR msg=\"coppice: gave-up\" path=/root/inner ")
	require.Contains(t, f.log.String(), "level=ERROR msg=\"coppice: failed\" path=/root/inner ")
}

func TestPermanentSupervisorThatGaveUpIsRestarted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{}, supervisor.Spec{})
		f.x.end(errBoom)
		require.Equal(t, append(innerGivesUp, "restarting inner", "starting inner",
			"starting inner/x", "ready inner/x", "starting inner/y", "ready inner/y", "ready inner"), f.recorded.lines())
		f.requireLoud(t)
		require.NoError(t, f.root.Health())
		st, _ := f.root.Lookup("inner")
		require.Equal(t, 1, st.Restarts)
		require.ErrorIs(t, st.LastError, errBoom)
	})
}

func TestTransientSupervisorThatGaveUpIsDoneAndLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{Restart: child.Transient}, supervisor.Spec{})
		f.x.end(errBoom)
		require.Equal(t, innerGivesUp, f.recorded.lines())
		f.requireLoud(t)
		st, _ := f.root.Lookup("inner")
		require.Equal(t, child.Done, st.State)
		var e *supervisor.GaveUpError
		require.ErrorAs(t, st.LastError, &e)
		require.Equal(t, "/root/inner", e.Path)
		require.ErrorContains(t, f.root.Health(), "/root/inner: not ready: done: /root/inner: gave up: more than 0 restarts in 1s: /root/inner/x: boom")
		require.NotContains(t, f.root.Health().Error(), "\n", "one line")

		require.NoError(t, f.root.RestartChild(t.Context(), "inner"), "a call must start it")
		require.NoError(t, f.root.Health())
		require.Equal(t, child.Running, state(t, f.root, "inner/x"))
	})
}

func TestTemporarySupervisorThatGaveUpIsForgottenAndLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{Restart: child.Temporary}, supervisor.Spec{})
		f.x.end(errBoom)
		require.Equal(t, append(innerGivesUp, "removed inner"), f.recorded.lines())
		f.requireLoud(t)
		require.Equal(t, supervisor.Counts{Specs: 1, Active: 1, Workers: 1}, f.root.Count())
	})
}

func TestDecideMakesAFailureOfGivingUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{
			Restart: child.Transient,
			Decide: func(err error) error {
				var e *supervisor.GaveUpError
				if errors.As(err, &e) {
					return fmt.Errorf("%s is worn out", e.Path)
				}
				return err
			},
		}, supervisor.Spec{})
		f.x.end(errBoom)
		require.Equal(t, append(innerGivesUp, "restarting inner", "starting inner",
			"starting inner/x", "ready inner/x", "starting inner/y", "ready inner/y", "ready inner"), f.recorded.lines())
		st, _ := f.root.Lookup("inner")
		require.EqualError(t, st.LastError, "/root/inner is worn out")
	})
}

// Giving up escalates level by level, each by its own limit, and then ends the tree.
func TestGivingUpPropagatesToTheRoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFamily(t, child.Spec{}, supervisor.Spec{Intensity: none})
		f.x.end(errBoom)
		err := f.root.Wait()
		require.EqualError(t, err, "/root: gave up: more than 0 restarts in 1s: /root/inner: "+
			"/root/inner: gave up: more than 0 restarts in 1s: /root/inner/x: boom")
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, append(innerGivesUp, "gave-up", "stopping first", "stopped first"), f.recorded.lines())
	})
}

// The sentinel of a child is meant for the child's own supervisor.
func TestEscalateAndErrDoneInsideASupervisorsErrorDoNotPropagate(t *testing.T) {
	for _, said := range []error{child.Escalate(errBoom), child.ErrDone, child.ErrIgnore} {
		t.Run(said.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFamily(t, child.Spec{
					Decide: func(err error) error { return fmt.Errorf("inner: %w", err) }, // also if it is wrapped
				}, supervisor.Spec{})
				f.x.end(errBoom) // now x is in its second life
				f.recorded.take()

				f.x.end(child.Escalate(said))
				require.NotContains(t, strings.Join(f.recorded.lines(), "\n"), "gave-up\n", "the root goes on")
				require.Equal(t, child.Running, state(t, f.root, "inner"))
				st, _ := f.root.Lookup("inner")
				require.Equal(t, 2, st.Restarts, "as a permanent child that was shut down")
				require.ErrorIs(t, st.LastError, said, "and a user may find it")
			})
		})
	}
}

// The supervisor was not ready yet, so this counts as any other failed start.
func TestSupervisorThatGivesUpWhileItStartsHasFailedToStart(t *testing.T) {
	for _, r := range []child.Restart{child.Permanent, child.Transient} {
		bubble(t, func(t *testing.T) {
			inner := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{
				{Name: "x", Run: child.Plain(func(context.Context) error { return errBoom })},
				{Name: "y", Run: slow(time.Second, 0)},
			}})
			sup := newRoot(supervisor.Spec{Children: []child.Spec{
				{Name: "inner", Run: inner.Run, Restart: r},
				{Name: "z", Run: newPuppet().Run},
			}})
			require.EqualError(t, sup.Start(t.Context()), "/root/inner: /root/inner: gave up: more than 0 restarts in 1s: /root/inner/x: boom")
		})
	}
}

// late is a context whose Done takes its time, so that all that can happen
// before its caller looks has happened.
type late struct{ child.Context }

func (l late) Done() <-chan struct{} {
	time.Sleep(time.Second)
	return l.Context.Done()
}

// A nested supervisor may be up and over at once. Which of the two its goroutine learns
// of first must not decide what its end counts as.
func TestSupervisorThatIsUpAndGivesUpAtOnceWasUp(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T) {
			nested := supervisor.New(supervisor.Spec{Intensity: none, Children: []child.Spec{
				{Name: "x", Run: child.Plain(func(context.Context) error { return errBoom })},
			}})
			sup := start(t, supervisor.Spec{Children: []child.Spec{{
				Name:    "inner",
				Restart: child.Transient,
				Run:     func(ctx child.Context) error { return nested.Run(late{ctx}) },
			}}})
			time.Sleep(time.Minute)
			require.Equal(t, child.Done, state(t, sup, "inner"))
		})
	}
}
