package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

// lookedAt is a context that does something at the first call of Err. A supervisor calls
// Err after it has begun and before its first child starts, and no other hook is there.
type lookedAt struct {
	child.Context
	once *sync.Once
	do   func()
}

func (l lookedAt) Err() error {
	l.once.Do(l.do)
	return l.Context.Err()
}

func mustNotRun(child.Context) error { panic("it must not run") }

func TestStopBeforeTheFirstChildRunsNone(t *testing.T) {
	for name, run := range map[string]func(*supervisor.Supervisor, context.Context) error{
		"Serve": (*supervisor.Supervisor).Serve,
		"Start": (*supervisor.Supervisor).Start,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sup := newRoot(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: mustNotRun}}})
				ctx := lookedAt{child.FromContext(t.Context()), new(sync.Once), func() {
					require.NoError(t, sup.Stop(context.Background()))
				}}
				err := run(sup, ctx)
				if name == "Start" {
					require.ErrorIs(t, err, child.ErrStopped)
				} else {
					require.NoError(t, err)
				}
				require.NoError(t, sup.Wait())
				require.Empty(t, sup.Children())
				require.Equal(t, child.Stopped, sup.Tree().State)
			})
		})
	}
}

func TestBudgetThatEndsBeforeTheFirstChildOfANestedSupervisorRunsNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: mustNotRun}}})
		sup := newRoot(supervisor.Spec{StopTimeout: time.Second, Children: []child.Spec{
			{Name: "inner", Run: func(ctx child.Context) error {
				return inner.Run(lookedAt{ctx, new(sync.Once), func() { time.Sleep(time.Minute) }})
			}},
		}})
		go func() { _ = sup.Start(t.Context()) }()
		time.Sleep(time.Second)
		_ = sup.Stop(context.Background())
		time.Sleep(time.Hour)
		require.Empty(t, inner.Children())
		require.NoError(t, inner.Wait())
	})
}

// deaf is a context that does not show the stop of its run yet, as every one does for a
// moment.
type deaf struct{ child.Context }

func (deaf) Err() error            { return nil }
func (deaf) Done() <-chan struct{} { return nil }

func TestNestedSupervisorThatComesAfterTheStopRunsNoChild(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "a", Run: mustNotRun}}})
		sup := start(t, supervisor.Spec{Children: []child.Spec{
			{Name: "inner", Run: func(ctx child.Context) error {
				if err := idle(ctx); err != nil {
					return err
				}
				return inner.Run(deaf{ctx})
			}},
		}})
		require.NoError(t, sup.Stop(t.Context()))
		require.Empty(t, inner.Children())
	})
}
