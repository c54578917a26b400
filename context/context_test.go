package context_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppice "github.com/coppice-go/coppice/context"
)

// A Run and a Context of one package can be used with the other.
func TestContextIsThatOfPackageChild(t *testing.T) {
	run := func(ctx coppice.Context) error { return ctx.Ready() }
	spec := child.Spec{Name: "old", Run: run}
	require.NoError(t, spec.Validate())

	ctx := child.FromContext(context.Background())
	require.Same(t, ctx, coppice.FromContext(ctx))
	require.NoError(t, spec.Run(coppice.FromContext(context.Background())))
}

func TestSleepIsThatOfPackageChild(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	require.False(t, coppice.Sleep(ctx, 0))
	cancel()
	require.True(t, coppice.Sleep(ctx, 0))
}
