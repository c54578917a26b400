package context_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	coppice "github.com/coppice-go/coppice/context"
)

func TestStandInDoesNothing(t *testing.T) {
	ctx := coppice.FromContext(context.Background())
	ctx.Unready(errors.New("not told to anybody"))
	ctx.OnError(errors.New("not told to anybody"))
	ctx.Heartbeat()
	require.NoError(t, ctx.Ready())
	require.NoError(t, ctx.Ready(), "again")
	require.Empty(t, ctx.Path())
	require.Zero(t, ctx.Restarts())
}

func TestStandInIsReadyUntilItsContextEnds(t *testing.T) {
	outer, stop := context.WithCancelCause(context.Background())
	ctx := coppice.FromContext(outer)
	require.NoError(t, ctx.Ready())
	require.False(t, ctx.ShouldHalt())

	stop(errStop)
	require.Equal(t, errStop, ctx.Ready())
	require.True(t, ctx.ShouldHalt())
	require.Equal(t, errStop, context.Cause(ctx))
}

func TestContextsDerivedFromAStandInBehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, "outer"))
		ctx := coppice.FromContext(outer)
		require.Equal(t, "outer", ctx.Value(valueKey{}))

		canceled, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		long, cancelLong := context.WithTimeout(ctx, time.Hour)
		defer cancelLong()
		short, cancelShort := context.WithTimeout(ctx, time.Second)
		defer cancelShort()
		called := false
		context.AfterFunc(ctx, func() { called = true })

		<-short.Done()
		require.ErrorIs(t, short.Err(), context.DeadlineExceeded)
		require.False(t, ctx.ShouldHalt())

		stop(errStop)
		synctest.Wait()
		require.True(t, called)
		for _, c := range []context.Context{ctx, canceled, long} {
			require.ErrorIs(t, c.Err(), context.Canceled)
			require.Equal(t, errStop, context.Cause(c))
			require.Equal(t, "outer", c.Value(valueKey{}))
		}
		require.Equal(t, context.DeadlineExceeded, context.Cause(short), "its own end came first")
	})
}

func TestContextDerivedFromAStandInGivesAStandIn(t *testing.T) {
	inner, cancel := context.WithCancelCause(coppice.FromContext(context.Background()))
	ctx := coppice.FromContext(inner)
	require.NoError(t, ctx.Ready())
	cancel(errStop)
	require.Equal(t, errStop, ctx.Ready())
}

func TestGraceOfAStandInOutlivesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, "outer"))
		grace := coppice.FromContext(outer).Grace()
		require.Equal(t, "outer", grace.Value(valueKey{}))

		time.Sleep(time.Hour)
		require.NoError(t, grace.Err(), "while it runs there is no end to it")

		stop(errStop)
		stopped := time.Now()
		synctest.Wait()
		require.NoError(t, grace.Err())

		<-grace.Done()
		require.Equal(t, 4500*time.Millisecond, time.Since(stopped))
		require.Error(t, grace.Err())
		require.Equal(t, context.DeadlineExceeded, context.Cause(grace))
	})
}

func TestGraceTakenAfterTheEndIsUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(context.Background())
		ctx := coppice.FromContext(outer)
		stop()
		grace, asked := ctx.Grace(), time.Now()
		require.NoError(t, grace.Err())
		<-grace.Done()
		require.Equal(t, 4500*time.Millisecond, time.Since(asked))
	})
}

func TestGraceOfAContextThatNeverEndsNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grace := coppice.FromContext(context.Background()).Grace()
		time.Sleep(time.Hour)
		require.NoError(t, grace.Err())
	})
}
