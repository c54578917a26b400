package child_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	coppice "github.com/coppice-go/coppice/context"
)

// named is a Context with something of its own, as users write them.
type named struct {
	child.Context
	name string
}

func (n named) Path() string { return n.name }

func TestDecoratorIsAContext(t *testing.T) {
	ctx := named{child.FromContext(context.Background()), "/mine"}
	run := func(ctx child.Context) error {
		require.Equal(t, "/mine", ctx.Path())
		return ctx.Ready()
	}
	require.NoError(t, run(ctx))
	require.Equal(t, ctx, child.FromContext(ctx))
}

func TestContextIsTheOneOfPackageContext(t *testing.T) {
	ctx := child.FromContext(context.Background())
	var same coppice.Context = ctx
	require.Equal(t, same, coppice.FromContext(ctx))
}

func TestFromContextOutsideOfASupervisorIsAStandIn(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	standIn := child.FromContext(ctx)
	require.NoError(t, standIn.Ready())
	require.Empty(t, standIn.Path())
	cancel()
	require.True(t, standIn.ShouldHalt())

	var none context.Context
	require.NoError(t, child.FromContext(none).Ready())
}

func TestStandInGraceIsNineTenthsOfTheDefaultStopTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		grace := child.FromContext(ctx).Grace()
		cancel()
		stopped := time.Now()
		<-grace.Done()
		require.Equal(t, child.DefaultStopTimeout*9/10, time.Since(stopped))
	})
}

func TestSleepTellsWhetherItWasHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		defer cancel()
		began := time.Now()
		require.False(t, child.Sleep(ctx, time.Minute))
		require.True(t, child.Sleep(ctx, time.Minute))
		require.Equal(t, 90*time.Second, time.Since(began))
	})
}
