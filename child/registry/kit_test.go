package registry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/testkit"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errOver = errors.New("over")
	errBoom = errors.New("boom")
	bubble  = synctest.Test
)

// newRun returns the context of a run without a supervisor, and a function that ends it.
func newRun() (ctx child.Context, end func()) {
	inner, cancel := context.WithCancelCause(context.Background())
	return child.FromContext(inner), func() { cancel(errOver) }
}

// crowd starts an Independent supervisor named people, and stops it when the test ends.
func crowd(t *testing.T, children ...child.Spec) *supervisor.Supervisor {
	t.Helper()
	sup := testkit.Root(t, supervisor.Spec{
		Name: "people", Strategy: strategy.Independent, Children: children, Intensity: strategy.Unlimited(),
	})
	require.NoError(t, sup.Start(context.Background()))
	return sup
}

// idle returns a run that calls set, is ready, and waits until it is stopped or fails.
func idle(set func(child.Context) error, fail <-chan error) func(child.Context) error {
	return func(ctx child.Context) error {
		if err := set(ctx); err != nil {
			return err
		}
		if err := ctx.Ready(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-fail:
			return err
		}
	}
}
