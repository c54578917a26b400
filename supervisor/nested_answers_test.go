package supervisor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// The error of a call about a nested supervisor names the runs abandoned below it. That
// does not replace another error.
func TestRestartOfANestedSupervisorThatCannotStartIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fails := false
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: func(ctx child.Context) error {
			if fails {
				return errBoom
			}
			return idle(ctx)
		}}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Run: inner.Run}}})
		fails = true
		require.ErrorIs(t, sup.RestartChild(t.Context(), "in"), errBoom)
		require.Equal(t, child.Stopped, state(t, sup, "in"))
	})
}

// Only the call that has abandoned a run reports it.
func TestStopOfASuccessorDoesNotReportTheRunBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free, first := make(chan struct{}), true
		defer close(free)
		sup := startLoosely(t, supervisor.Spec{Children: []child.Spec{{Name: "m", StopTimeout: time.Second, Run: func(ctx child.Context) error {
			if !first {
				return idle(ctx)
			}
			first = false
			err := ctx.Ready()
			<-free
			return err
		}}}})
		require.Equal(t, []string{"/root/m 1s"}, left(t, sup.StopChild(t.Context(), "m")))
		require.NoError(t, sup.RestartChild(t.Context(), "m"))
		require.NoError(t, sup.StopChild(t.Context(), "m"))
	})
}

// endsEarly is a type of a user's around a run, whose context ends before that of the run.
type endsEarly struct {
	child.Context
	early context.Context
}

func (e endsEarly) Done() <-chan struct{}            { return e.early.Done() }
func (e endsEarly) Err() error                       { return e.early.Err() }
func (e endsEarly) Value(key any) any                { return e.early.Value(key) }
func (e endsEarly) Deadline() (t time.Time, ok bool) { return e.early.Deadline() }

func TestChildrenOfANestedSupervisorSeeTheCauseOfAContextThatEndsBeforeTheRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "w", Run: w.Run}}})
		var end context.CancelCauseFunc
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "in", Restart: child.Transient, Run: func(ctx child.Context) error {
			early, cancel := context.WithCancelCause(ctx)
			end = cancel
			return inner.Run(endsEarly{ctx, early})
		}}}})
		end(errBoom)
		synctest.Wait()
		requireCause(t, child.ErrStopped, w.causes)
		require.ErrorIs(t, w.causes[0], errBoom)
		require.Equal(t, child.Done, state(t, sup, "in"))
	})
}
