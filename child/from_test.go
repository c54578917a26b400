package child_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestFromContextOfNilIsADetachedContextThatNeverEnds(t *testing.T) {
	var none context.Context
	ctx := child.FromContext(none)
	require.NotNil(t, ctx)
	require.NoError(t, ctx.Ready())
	require.False(t, ctx.ShouldHalt())
	require.Nil(t, ctx.Done())
}

func TestFromContextOfAContextIsThatContext(t *testing.T) {
	r := newRun(context.Background())
	require.Same(t, r, child.FromContext(r))

	detached := child.FromContext(t.Context())
	require.Equal(t, detached, child.FromContext(detached))

	ctx, cancel := context.WithCancel(r)
	defer cancel()
	derived := child.FromContext(ctx)
	require.Equal(t, derived, child.FromContext(derived))
}

func TestDerivedContextHasTheMethodsOfItsRun(t *testing.T) {
	r := newRun(context.Background())
	r.grace = context.WithValue(context.Background(), valueKey{}, "grace")
	ctx := child.FromContext(context.WithValue(r, valueKey{}, "inner"))

	require.NoError(t, ctx.Ready())
	ctx.Unready(errors.New("the database is away"))
	ctx.OnError(errors.New("a bad message"))
	ctx.Heartbeat()
	require.Equal(t, []string{"Ready", "Unready the database is away", "OnError a bad message", "Heartbeat"}, r.calls)
	require.Equal(t, "/shop/api", ctx.Path())
	require.Equal(t, 7, ctx.Restarts())
	require.Equal(t, r.grace, ctx.Grace())
	require.Equal(t, "inner", ctx.Value(valueKey{}), "it has its own values")
}

func TestDerivedContextEndsOnItsOwn(t *testing.T) {
	r := newRun(context.Background())
	inner, cancel := context.WithCancelCause(r)
	ctx := child.FromContext(inner)
	require.False(t, ctx.ShouldHalt())

	cancel(errStop)
	<-ctx.Done()
	require.True(t, ctx.ShouldHalt())
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.Equal(t, errStop, context.Cause(ctx))

	require.False(t, r.ShouldHalt(), "its run goes on")
	require.NoError(t, ctx.Ready(), "Ready concerns the run")
}

func TestDerivedContextEndsWithItsRun(t *testing.T) {
	outer, stop := context.WithCancelCause(context.Background())
	inner, cancel := context.WithCancel(newRun(outer))
	defer cancel()
	ctx := child.FromContext(inner)

	stop(errStop)
	<-ctx.Done()
	require.True(t, ctx.ShouldHalt())
	require.Equal(t, errStop, context.Cause(ctx))
	require.Equal(t, errStop, ctx.Ready())
}

func TestDerivedContextHasItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, cancel := context.WithTimeout(newRun(context.Background()), time.Second)
		defer cancel()
		ctx := child.FromContext(inner)
		deadline, ok := ctx.Deadline()
		require.True(t, ok)
		require.Equal(t, time.Now().Add(time.Second), deadline)

		<-ctx.Done()
		require.Equal(t, deadline, time.Now())
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
	})
}

func TestContextDerivedFromADerivedContextBelongsToTheSameRun(t *testing.T) {
	first, cancelFirst := context.WithCancelCause(newRun(context.Background()))
	second, cancelSecond := context.WithTimeout(child.FromContext(first), time.Hour)
	defer cancelSecond()
	ctx := child.FromContext(second)
	require.Equal(t, "/shop/api", ctx.Path())

	cancelFirst(errStop)
	<-ctx.Done()
	require.Equal(t, errStop, context.Cause(ctx))
}

func TestContextWithoutCancelKeepsItsRun(t *testing.T) {
	outer, stop := context.WithCancelCause(context.Background())
	ctx := child.FromContext(context.WithoutCancel(newRun(outer)))
	stop(errStop)
	require.False(t, ctx.ShouldHalt())
	require.Equal(t, "/shop/api", ctx.Path())
	require.Equal(t, errStop, ctx.Ready())
}
