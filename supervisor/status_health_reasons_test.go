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

// A modest run does not pass on that the supervisor in it is ready.
type modest struct{ child.Context }

func (modest) Ready() error { return nil }

// Every child below may be ready.
func TestHealthNamesASupervisorThatIsNotReadyThoughAllChildrenAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deep := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "x", Run: idle}}})
		inner := supervisor.New(supervisor.Spec{Children: []child.Spec{{Name: "deep", Run: deep.Run}}})
		sup := newRoot(supervisor.Spec{Children: []child.Spec{{
			Name: "in", Run: func(ctx child.Context) error { return inner.Run(modest{ctx}) },
		}}})
		started := make(chan error, 1)
		go func() { started <- sup.Start(t.Context()) }()
		synctest.Wait()
		require.EqualError(t, sup.Health(), "/root/in: not ready: starting")
		require.NoError(t, sup.Stop(context.Background()))
		require.ErrorIs(t, <-started, child.ErrStopped)
	})
}

// While a backoff runs, the time of the next start is not known.
func TestHealthOfAChildWhoseBackoffIsNotKnownYet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, answer := newPuppet(), make(chan time.Duration)
		sup := start(t, supervisor.Spec{Children: []child.Spec{{Name: "a", Run: p.Run, Backoff: func() child.BackoffPolicy {
			return policy(func() time.Duration { return <-answer })
		}}}})
		p.end(errBoom)
		require.EqualError(t, sup.Health(), "/root/a: not ready: waiting: boom")
		answer <- time.Minute
		synctest.Wait()
		require.EqualError(t, sup.Health(), "/root/a: not ready: next start in 1m0s: boom")
	})
}
