package child_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// named is a Context that overrides a method, as user code does.
type named struct {
	child.Context
	name string
}

func (n named) Path() string { return n.name }

func TestTypeThatOverridesAMethodIsAContext(t *testing.T) {
	ctx := named{child.FromContext(context.Background()), "/mine"}
	run := func(ctx child.Context) error {
		require.Equal(t, "/mine", ctx.Path())
		return ctx.Ready()
	}
	require.NoError(t, run(ctx))
	require.Equal(t, ctx, child.FromContext(ctx))
}

func TestDetachedGraceIsNineTenthsOfTheDefaultStopTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		grace := child.FromContext(ctx).Grace()
		cancel()
		stopped := time.Now()
		<-grace.Done()
		require.Equal(t, child.DefaultStopTimeout*9/10, time.Since(stopped))
	})
}
