package supervisor_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// A witness is a child that notes why it was stopped, each time.
type witness struct{ causes []error }

func (w *witness) Run(ctx child.Context) error {
	if err := ctx.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	w.causes = append(w.causes, context.Cause(ctx))
	return nil
}

// allCauses are the causes for which a run may be stopped.
var allCauses = []error{
	child.ErrStopped, child.ErrRemoved, child.ErrSibling, child.ErrGaveUp, child.ErrStartTimeout, child.ErrHung,
}

// requireCause requires one cause, which is want and no other.
func requireCause(t *testing.T, want error, got []error) {
	t.Helper()
	require.Len(t, got, 1)
	for _, cause := range allCauses {
		require.Equal(t, cause == want, errors.Is(got[0], cause), "%v is %v", got[0], cause)
	}
}

func TestCauseSaysWhyARunWasStopped(t *testing.T) {
	for _, c := range []struct {
		name    string
		want    error
		after   func(t *testing.T, sup *supervisor.Supervisor, other *puppet)
		spec    supervisor.Spec
		witness child.Spec
	}{
		{name: "StopChild", want: child.ErrStopped, after: func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.StopChild(t.Context(), "w"))
		}},
		{name: "RestartChild", want: child.ErrStopped, after: func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.RestartChild(t.Context(), "w"))
		}},
		{name: "RemoveChild", want: child.ErrRemoved, after: func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.RemoveChild(t.Context(), "w"))
		}},
		{name: "Stop", want: child.ErrStopped, after: func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.Stop(t.Context()))
		}},
		{name: "a sibling", want: child.ErrSibling, spec: supervisor.Spec{Strategy: strategy.OneForAll},
			after: func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) { other.end(errBoom) }},
		{name: "giving up", want: child.ErrGaveUp, spec: supervisor.Spec{Intensity: none},
			after: func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) { other.end(errBoom) }},
		{name: "giving up without an error", want: child.ErrGaveUp, spec: supervisor.Spec{Intensity: none},
			after: func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) { other.end(nil) }},
		{name: "escalation", want: child.ErrGaveUp,
			after: func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) { other.end(child.Escalate(errBoom)) }},
		{name: "a missed heartbeat", want: child.ErrHung, witness: child.Spec{Heartbeat: time.Second},
			after: func(*testing.T, *supervisor.Supervisor, *puppet) { time.Sleep(1500 * time.Millisecond) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, other := new(witness), newPuppet()
				c.witness.Name, c.witness.Run = "w", w.Run
				c.spec.Children = []child.Spec{c.witness, {Name: "other", Run: other.Run}}
				sup := start(t, c.spec)
				recorded := record(t, sup, supervisor.EventStopping)
				c.after(t, sup, other)
				synctest.Wait()
				requireCause(t, c.want, w.causes)
				for _, e := range recorded.take() {
					if e.Path == "/root/w" {
						require.Equal(t, w.causes[0], e.Err, "the event has it too")
					}
				}
			})
		})
	}
}

func TestCauseOfGivingUpWrapsTheLastFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, other := new(witness), newPuppet()
		start(t, supervisor.Spec{Intensity: none, Children: []child.Spec{{Name: "w", Run: w.Run}, {Name: "other", Run: other.Run}}})
		other.end(errBoom)
		require.ErrorIs(t, w.causes[0], errBoom)
		require.EqualError(t, w.causes[0], "the supervisor gave up: boom")
	})
}

func TestCauseOfAStartThatTookTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var cause error
		sup := start(t, supervisor.Spec{})
		require.Error(t, sup.StartChild(t.Context(), child.Spec{Name: "a", StartTimeout: time.Second, Run: func(ctx child.Context) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil
		}}))
		requireCause(t, child.ErrStartTimeout, []error{cause})
	})
}

func TestCauseOfAStartThatIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		sup := start(t, supervisor.Spec{})
		require.ErrorIs(t, sup.StartChild(t.Context(),
			child.Spec{Name: "w", Run: w.Run},
			child.Spec{Name: "bad", Run: unready(returning(errBoom))},
		), errBoom)
		requireCause(t, child.ErrRemoved, w.causes)
	})
}

func TestCauseWhenTheSupervisorCouldNotStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			{Name: "w", Run: w.Run}, {Name: "bad", Run: unready(returning(errBoom))},
		}})
		require.ErrorIs(t, sup.Start(t.Context()), errBoom)
		requireCause(t, child.ErrGaveUp, w.causes)
		require.ErrorIs(t, w.causes[0], errBoom)
	})
}

func TestCauseOfAnAutoShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, work := new(witness), newPuppet()
		sup := start(t, supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{
			{Name: "w", Run: w.Run}, {Name: "work", Run: work.Run, Restart: child.Transient, Significant: true},
		}})
		work.end(nil)
		require.NoError(t, sup.Wait())
		requireCause(t, child.ErrStopped, w.causes)
	})
}

var errSignal = errors.New("terminated")

// nest puts a child below a given number of supervisors.
func nest(leaf child.Spec, depth int) child.Spec {
	for range depth {
		leaf = child.Spec{Name: "s", Run: supervisor.New(supervisor.Spec{Children: []child.Spec{leaf}}).Run}
	}
	return leaf
}

func TestCauseWrapsThatOfTheRootsContextDownToTheLastLeaf(t *testing.T) {
	for _, depth := range []int{0, 1, 3} {
		bubble(t, func(t *testing.T) {
			w := new(witness)
			sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{nest(child.Spec{Name: "w", Run: w.Run}, depth)}})
			root, cancel := context.WithCancelCause(t.Context())
			served := make(chan error, 1)
			go func() { served <- sup.Serve(root) }()
			synctest.Wait()
			cancel(errSignal)
			require.NoError(t, <-served)
			requireCause(t, child.ErrStopped, w.causes)
			require.ErrorIs(t, w.causes[0], errSignal)
			require.EqualError(t, w.causes[0], "stopped: terminated")
		})
	}
}

func TestCauseOfAStopWhileTheRootStarts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		var waiting error
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{
			nest(child.Spec{Name: "w", Run: w.Run}, 1),
			{Name: "slow", Run: func(ctx child.Context) error {
				<-ctx.Done()
				waiting = ctx.Ready()
				return waiting
			}},
		}})
		root, cancel := context.WithTimeoutCause(t.Context(), time.Second, errSignal)
		defer cancel()
		require.ErrorIs(t, sup.Start(root), errSignal)
		requireCause(t, child.ErrStopped, w.causes)
		require.ErrorIs(t, w.causes[0], errSignal)
		requireCause(t, child.ErrStopped, []error{waiting})
	})
}

func TestCauseReachesTheLeavesOfANestedSupervisor(t *testing.T) {
	for _, c := range []struct {
		name string
		want error
		do   func(t *testing.T, sup *supervisor.Supervisor, other *puppet)
	}{
		{"its supervisor is stopped", child.ErrStopped, func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.StopChild(t.Context(), "s"))
		}},
		{"its supervisor is removed", child.ErrRemoved, func(t *testing.T, sup *supervisor.Supervisor, _ *puppet) {
			require.NoError(t, sup.RemoveChild(t.Context(), "s"))
		}},
		{"its supervisor's sibling fails", child.ErrSibling, func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) {
			other.end(errBoom)
		}},
		{"the root gives up", child.ErrGaveUp, func(_ *testing.T, _ *supervisor.Supervisor, other *puppet) {
			other.end(child.Escalate(errBoom))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, other := new(witness), newPuppet()
				sup := start(t, supervisor.Spec{Strategy: strategy.OneForAll, Children: []child.Spec{
					nest(child.Spec{Name: "w", Run: w.Run}, 2), {Name: "other", Run: other.Run},
				}})
				c.do(t, sup, other)
				synctest.Wait()
				requireCause(t, c.want, w.causes)
			})
		})
	}
}

func TestFirstCauseStands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var before, after error
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: func(ctx child.Context) error {
			_ = ctx.Ready()
			<-ctx.Done()
			before = context.Cause(ctx)
			time.Sleep(time.Second) // and meanwhile it is removed, and the tree stopped
			after = context.Cause(ctx)
			return nil
		}}}})
		go func() { _ = sup.StopChild(context.Background(), "a") }()
		synctest.Wait()
		go func() { _ = sup.RemoveChild(context.Background(), "a") }()
		synctest.Wait()
		require.NoError(t, sup.Stop(t.Context()))
		require.Same(t, child.ErrStopped, before)
		require.Same(t, child.ErrStopped, after)
	})
}

// If a Run starts a supervisor on another goroutine and returns, the children of that
// supervisor are stopped with a cause that says so.
func TestCauseWhenTheRunAroundASupervisorReturnsFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := new(witness)
		inner := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{Name: "w", Run: w.Run}}})
		ended := make(chan error, 1)
		start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Restart: child.Temporary, Run: func(ctx child.Context) error {
			go func() { ended <- inner.Run(ctx) }()
			synctest.Wait()
			return nil
		}}}})
		require.NoError(t, <-ended)
		requireCause(t, child.ErrStopped, w.causes)
	})
}
