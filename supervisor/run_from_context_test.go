package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

type derivedKey struct{}

// inRun runs f in the run of a child /root/inner/a of the nested supervisor inner.
func inRun(t *testing.T, f func(ctx child.Context)) (root, inner *supervisor.Supervisor) {
	t.Helper()
	inner = supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
		if err := ctx.Ready(); err != nil {
			return err
		}
		f(ctx)
		<-ctx.Done()
		return nil
	}}}})
	root = start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: inner.Run}}})
	synctest.Wait()
	return root, inner
}

// derivations are contexts made of that of a run.
func derivations(ctx child.Context) []context.Context {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	return []context.Context{
		ctx, child.FromContext(ctx), cancelled, context.WithValue(ctx, derivedKey{}, 1), context.WithoutCancel(ctx),
		ctx.Grace(), child.FromContext(cancelled), embeds{ctx}, notOfTheLibrary{ctx},
	}
}

// embeds is a decorator as users write them.
type embeds struct{ child.Context }

func (embeds) Path() string { return "decorated" }

func TestFromContextFindsTheRunInWhateverIsDerivedFromIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var missed []context.Context
		root, _ := inRun(t, func(ctx child.Context) {
			for _, derived := range derivations(ctx) {
				run := child.FromContext(derived)
				run.OnError(errBoom)
				if path := run.Path(); path != "/root/inner/a" && path != "decorated" {
					missed = append(missed, derived)
				}
				if run.Err() != derived.Err() || run.Value(derivedKey{}) != derived.Value(derivedKey{}) {
					missed = append(missed, derived)
				}
			}
		})
		require.Empty(t, missed)
		st, _ := root.Lookup("inner/a")
		require.Same(t, errBoom, st.LastError)
	})
}

func TestSupervisorsFromContextFindsTheSupervisorOfTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var found []*supervisor.Supervisor
		root, inner := inRun(t, func(ctx child.Context) {
			for _, derived := range derivations(ctx) {
				sup, ok := supervisor.FromContext(derived)
				if !ok {
					sup = nil
				}
				found = append(found, sup)
			}
		})
		require.Len(t, found, 9)
		for _, sup := range found {
			require.Same(t, inner, sup)
			require.Same(t, root, sup.Root())
		}
	})
}

func TestSupervisorsFromContextOutsideOfAnyFindsNone(t *testing.T) {
	var none context.Context
	for _, ctx := range []context.Context{none, t.Context(), child.FromContext(t.Context())} {
		sup, ok := supervisor.FromContext(ctx)
		require.False(t, ok)
		require.Nil(t, sup)
	}
}

// A root that is started with the context of a run is a root all the same. Its
// children find it, not the tree around it.
func TestRootStartedInARunIsARoot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var of child.Context
		other := supervisor.New(supervisor.Spec{Name: "other", Logger: quiet, Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			of = ctx
			return newPuppet().Run(ctx)
		}}}})
		var started error
		root, _ := inRun(t, func(ctx child.Context) { started = other.Start(ctx) })
		require.NoError(t, started)
		require.Equal(t, "/other/a", of.Path())
		require.Equal(t, "/other/a", child.FromContext(context.WithoutCancel(of)).Path())
		sup, _ := supervisor.FromContext(of)
		require.Same(t, other, sup)
		require.Same(t, other, other.Root())
		require.NoError(t, root.Stop(t.Context()))
		require.NoError(t, of.Err(), "only its user stops it")
		require.NoError(t, other.Stop(t.Context()))
	})
}

func TestDecoratorOfAContextIsGivenToASupervisorInside(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: newPuppet().Run}}})
		root := start(t, supervisor.Spec{Children: []child.Spec{{Name: "inner", Run: func(ctx child.Context) error {
			return inner.Run(embeds{ctx})
		}}}})
		require.Equal(t, "/root/inner", inner.Path())
		require.Equal(t, child.Running, state(t, root, "inner/a"))
	})
}

// A Run can be tested and used without any supervisor.
func TestRunOutsideOfATreeHasADetachedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(context.WithValue(t.Context(), derivedKey{}, "v"))
		var seen []any
		ended := make(chan error, 1)
		run := func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			ctx.Unready(errBoom)
			ctx.OnError(errBoom)
			ctx.Heartbeat()
			seen = append(seen, ctx.Path(), ctx.Restarts(), ctx.ShouldHalt(), ctx.Value(derivedKey{}))
			<-ctx.Done()
			seen = append(seen, ctx.ShouldHalt(), ctx.Grace().Err(), ctx.Grace().Value(derivedKey{}))
			return errors.Join(ctx.Ready(), ctx.Err())
		}
		go func() { ended <- run(child.FromContext(ctx)) }()
		synctest.Wait()
		stop(errSignal)
		err := <-ended
		require.ErrorIs(t, err, errSignal)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, []any{"", 0, false, "v", true, nil, "v"}, seen)
	})
}

// A supervisor may run with a detached context: then it is a root.
func TestSupervisorRunsWithADetachedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "w", Run: w.Run}}})
		ctx, stop := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sup.Run(child.FromContext(ctx)) }()
		synctest.Wait()
		require.NoError(t, sup.Health())
		require.Equal(t, "/root", sup.Path())
		stop(errSignal)
		require.NoError(t, <-ended)
		requireCause(t, child.ErrStopped, w.causes)
		require.ErrorIs(t, w.causes[0], errSignal)
	})
}

func TestSleepInARunIsInterruptedByItsStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		halted := false
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			halted = child.Sleep(ctx, time.Hour)
			return nil
		}}}})
		began := time.Now()
		require.NoError(t, sup.StopChild(t.Context(), "a"))
		require.True(t, halted)
		require.Zero(t, time.Since(began))
	})
}
