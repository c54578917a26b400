package supervisor_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// upAndOver is a supervisor that ends with an error as soon as it is up.
func upAndOver() *supervisor.Supervisor {
	return newRoot(supervisor.Spec{AutoShutdown: strategy.AnySignificant, Children: []child.Spec{{
		Name: "a", Restart: child.Temporary, Significant: true, Run: func(ctx child.Context) error {
			if err := ctx.Ready(); err != nil {
				return err
			}
			return errBoom
		},
	}}})
}

// A lateContext is first looked at when the supervisor is over, as if its caller had not
// got a processor until then.
type lateContext struct {
	context.Context
	sup *supervisor.Supervisor
}

func (c lateContext) Done() <-chan struct{} {
	<-c.sup.Done()
	return c.Context.Done()
}

func TestStartThatWasUpHasSucceededAlsoIfItIsOver(t *testing.T) {
	for range 20 { // of two channels that are ready, either may be seen
		bubble(t, func(t *testing.T) {
			sup := upAndOver()
			require.NoError(t, sup.Start(lateContext{context.Background(), sup}))
			require.ErrorIs(t, sup.Wait(), errBoom)
		})
		bubble(t, func(t *testing.T) {
			sup := upAndOver()
			ended, end := context.WithCancel(context.Background())
			cancel := sup.Subscribe(func(supervisor.Event) { end() }, supervisor.EventReady)
			defer cancel()
			require.NoError(t, sup.Start(lateContext{ended, sup}))
		})
	}
}

// A lateRun is the same for a nested supervisor.
type lateRun struct {
	child.Context
	sup *supervisor.Supervisor
}

func (r lateRun) Done() <-chan struct{} {
	<-r.sup.Done()
	return r.Context.Done()
}

func TestNestedSupervisorThatWasUpHasNotFailedToStartAlsoIfItIsOver(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T) {
			inner := upAndOver()
			root := newRoot(supervisor.Spec{Children: []child.Spec{{
				Name: "in", Restart: child.Temporary,
				Run: func(ctx child.Context) error { return inner.Run(lateRun{ctx, inner}) },
			}}})
			recorded := record(t, root, supervisor.EventReady)
			require.NoError(t, root.Start(t.Context()))
			require.Equal(t, []string{"ready in/a", "ready in"}, recorded.lines())
			require.NoError(t, root.Stop(context.Background()))
		})
	}
}
