package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// unready is a Run that ends with end before it is ready.
func unready(end func() error) func(child.Context) error {
	return func(child.Context) error { return end() }
}

// The rows of the table "How a run ends", before Ready, by restart type: the
// error of the start, or where the child is left when the start went on.
var startEnds = []struct {
	name                            string
	end                             func() error
	permanent, transient, temporary string
}{
	{"nil", returning(nil), "not ready: Run returned nil before ctx.Ready", "done", "gone"},
	{"an error", returning(errBoom), "boom", "boom", "boom"},
	{"a panic", explode, "panic: boom", "panic: boom", "panic: boom"},
	{"Goexit", goexit, "runtime.Goexit was called", "runtime.Goexit was called", "runtime.Goexit was called"},
	{"ErrIgnore", returning(child.ErrIgnore), "stopped", "stopped", "gone"},
	{"ErrShutdown", returning(child.ErrShutdown), "shut down", "done", "gone"},
	{"ErrDone", returning(child.ErrDone), "done", "done", "gone"},
	{"another context's Canceled", returning(context.Canceled), "context canceled", "context canceled", "context canceled"},
}

// startFailed reports whether the entry of the table is the text of an error.
func startFailed(want string) bool {
	return want != "done" && want != "gone" && want != "stopped"
}

func forEachStartEnd(t *testing.T, f func(t *testing.T, spec child.Spec, end func() error, want string)) {
	for _, c := range startEnds {
		for restart, want := range map[child.Restart]string{
			child.Permanent: c.permanent, child.Transient: c.transient, child.Temporary: c.temporary,
		} {
			t.Run(fmt.Sprint(c.name, "/", restart), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f(t, child.Spec{Name: "a", Run: unready(c.end), Restart: restart}, c.end, want)
				})
			})
		}
	}
}

func TestDeclaredChildThatEndsBeforeReady(t *testing.T) {
	forEachStartEnd(t, func(t *testing.T, spec child.Spec, end func() error, want string) {
		next := 0
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{spec, {Name: "b", Run: func(ctx child.Context) error {
			next++
			return newPuppet().Run(ctx)
		}}}})
		recorded := record(t, sup)
		err := sup.Start(t.Context())
		a := aftermathOf(sup, recorded)
		if startFailed(want) {
			require.EqualError(t, err, "/root/a: "+want)
			require.Equal(t, "starting failed", a.events)
			require.Zero(t, next, "the next child does not start")
			<-sup.Done()
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, a.left)
		require.Equal(t, 1, next, "the next child starts")
		require.NoError(t, sup.Health())
		require.NoError(t, sup.Stop(t.Context()))
	})
}

func TestAddedChildThatEndsBeforeReady(t *testing.T) {
	forEachStartEnd(t, func(t *testing.T, spec child.Spec, end func() error, want string) {
		sup := start(t, supervisor.Spec{Intensity: none})
		recorded := record(t, sup)
		err := sup.StartChild(t.Context(), spec)
		a := aftermathOf(sup, recorded)
		if startFailed(want) {
			require.EqualError(t, err, "/root/a: "+want)
			require.Equal(t, "starting failed removed", a.events)
			require.Equal(t, "gone", a.left, "its spec is not kept")
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, a.left)
	})
}

// A start that fails while restarting is tried again: the second end here.
func TestRestartedChildThatEndsBeforeReady(t *testing.T) {
	forEachStartEnd(t, func(t *testing.T, spec child.Spec, end func() error, want string) {
		if spec.Restart == child.Temporary {
			return // never restarted
		}
		p, runs := newPuppet(), 0
		spec.Run = func(ctx child.Context) error {
			if runs++; runs == 2 {
				return end()
			}
			return p.Run(ctx)
		}
		sup := start(t, supervisor.Spec{Children: []child.Spec{spec}})
		recorded := record(t, sup)
		p.end(errBoom)
		a := aftermathOf(sup, recorded)
		if startFailed(want) {
			require.Equal(t, "failed restarting starting failed restarting starting ready", a.events)
			require.Equal(t, 3, runs)
			st, _ := sup.Lookup("a")
			require.Equal(t, 2, st.Restarts)
			require.EqualError(t, st.LastError, want)
			return
		}
		require.Equal(t, "failed restarting starting completed", a.events)
		require.Equal(t, want, a.left)
		require.Equal(t, 2, runs)
	})
}

func TestChildStartedByHandThatEndsBeforeReadyIsStopped(t *testing.T) {
	forEachStartEnd(t, func(t *testing.T, spec child.Spec, end func() error, want string) {
		if spec.Restart == child.Temporary {
			return // not kept when it is stopped
		}
		runs := 0
		spec.Run = func(ctx child.Context) error {
			if runs++; runs == 2 {
				return end()
			}
			return newPuppet().Run(ctx)
		}
		sup := start(t, supervisor.Spec{Intensity: none, Children: []child.Spec{spec}})
		err := sup.RestartChild(t.Context(), "a")
		if startFailed(want) {
			require.EqualError(t, err, "/root/a: "+want)
			require.Equal(t, child.Stopped, state(t, sup, "a"))
		} else {
			require.NoError(t, err)
			require.Equal(t, want, state(t, sup, "a").String())
		}
		require.Equal(t, 2, runs)
	})
}

func TestStartErrorWrapsWhatRunReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := start(t, supervisor.Spec{})
		for _, c := range []struct {
			end  func() error
			want error
		}{
			{returning(nil), child.ErrNotReady}, {returning(errBoom), errBoom}, {goexit, child.ErrGoexit},
			{returning(child.ErrShutdown), child.ErrShutdown}, {func() error { panic(errBoom) }, errBoom},
		} {
			err := sup.StartChild(t.Context(), child.Spec{Name: "a", Run: unready(c.end)})
			require.ErrorIs(t, err, c.want)
			var at *supervisor.ChildError
			require.ErrorAs(t, err, &at)
			require.Equal(t, "/root/a", at.Path)
		}
	})
}

func TestRetryStartRetriesAStartThatEndedInAnyOfTheseWays(t *testing.T) {
	for _, c := range startEnds {
		if !startFailed(c.permanent) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				runs := 0
				sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", RetryStart: true, Run: func(ctx child.Context) error {
					if runs++; runs <= 2 {
						return c.end()
					}
					return newPuppet().Run(ctx)
				}}}})
				require.Equal(t, 3, runs)
				require.Equal(t, child.Running, state(t, sup, "a"))
			})
		})
	}
}

func TestErrIgnoreKeepsTheSpecSoThatItCanBeStartedByHand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		declines := true
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			if declines {
				return fmt.Errorf("no GPU here: %w", child.ErrIgnore)
			}
			return newPuppet().Run(ctx)
		}}}})
		require.Equal(t, child.Stopped, state(t, sup, "a"))
		require.NoError(t, sup.Health())
		declines = false
		require.NoError(t, sup.RestartChild(t.Context(), "a"))
		require.Equal(t, child.Running, state(t, sup, "a"))
	})
}

func TestStartTimeoutStopsTheRunAndFailsTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(child.Context) error
		want string
	}{
		"it returns nil":            {func(child.Context) error { return nil }, "start timeout"},
		"it returns ctx.Err()":      {func(ctx child.Context) error { return ctx.Err() }, "start timeout"},
		"it returns the cause":      {func(ctx child.Context) error { return context.Cause(ctx) }, "start timeout"},
		"it returns what Ready did": {child.Context.Ready, "start timeout"},
		"it returns why":            {func(child.Context) error { return errBoom }, "start timeout: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup, began := start(t, supervisor.Spec{}), time.Now()
				err := sup.StartChild(t.Context(), child.Spec{Name: "a", StartTimeout: time.Second, Run: func(ctx child.Context) error {
					<-ctx.Done()
					return c.end(ctx)
				}})
				require.EqualError(t, err, "/root/a: "+c.want)
				require.ErrorIs(t, err, child.ErrStartTimeout)
				require.Equal(t, time.Second, time.Since(began))
			})
		})
	}
}

func TestEscalateBeforeReadyGivesUpHoweverTheChildWasStarted(t *testing.T) {
	for _, s := range []strategy.Strategy{strategy.OneForOne, strategy.Independent} {
		bubble(t, func(t *testing.T) { // at the start of the root
			sup := supervisor.New(supervisor.Spec{Strategy: s, Logger: quiet, Children: []child.Spec{
				{Name: "a", Run: unready(returning(child.Escalate(errBoom))), RetryStart: true},
			}})
			err := sup.Start(t.Context())
			var gaveUp *supervisor.GaveUpError
			require.ErrorAs(t, err, &gaveUp)
			require.Equal(t, "escalated", gaveUp.Reason)
			require.ErrorIs(t, err, errBoom)
		})
		bubble(t, func(t *testing.T) { // later
			sup := start(t, supervisor.Spec{Strategy: s})
			err := sup.StartChild(t.Context(), child.Spec{Name: "a", Run: unready(returning(child.Escalate(errBoom)))})
			require.ErrorIs(t, err, errBoom)
			synctest.Wait()
			var gaveUp *supervisor.GaveUpError
			require.ErrorAs(t, sup.Wait(), &gaveUp)
		})
	}
}

func TestEscalateInANestedSupervisorEndsThatSupervisorOnly(t *testing.T) {
	for _, ready := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			runs := 0
			inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
				if runs++; runs == 2 && !ready {
					return child.Escalate(errBoom)
				}
				_ = ctx.Ready()
				if runs == 1 {
					if ready {
						return child.Escalate(errBoom)
					}
					return errors.New("the first failure")
				}
				<-ctx.Done()
				return nil
			}}}})
			sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
			synctest.Wait()
			st, _ := sup.Lookup("inner")
			require.Equal(t, child.Running, st.State)
			require.Equal(t, 1, st.Restarts, "a Permanent supervisor is restarted")
			var gaveUp *supervisor.GaveUpError
			require.ErrorAs(t, st.LastError, &gaveUp)
			require.Equal(t, "/root/inner", gaveUp.Path)
			require.Equal(t, child.Running, state(t, sup, "inner/a"))
		})
	}
}
