package child_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestDetachedContextDoesNothing(t *testing.T) {
	ctx := child.FromContext(context.Background())
	ctx.Unready(errors.New("not reported"))
	ctx.OnError(errors.New("not reported"))
	ctx.Heartbeat()
	require.NoError(t, ctx.Ready())
	require.NoError(t, ctx.Ready(), "again")
	require.Empty(t, ctx.Path())
	require.Zero(t, ctx.Restarts())
}

func TestDetachedContextIsReadyUntilItEnds(t *testing.T) {
	outer, stop := context.WithCancelCause(context.Background())
	ctx := child.FromContext(outer)
	require.NoError(t, ctx.Ready())
	require.False(t, ctx.ShouldHalt())

	stop(errStop)
	require.Equal(t, errStop, ctx.Ready())
	require.True(t, ctx.ShouldHalt())
	require.Equal(t, errStop, context.Cause(ctx))
}

func TestContextsDerivedFromADetachedContextBehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, "outer"))
		ctx := child.FromContext(outer)
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

func TestContextDerivedFromADetachedContextIsDetached(t *testing.T) {
	inner, cancel := context.WithCancelCause(child.FromContext(context.Background()))
	ctx := child.FromContext(inner)
	require.NoError(t, ctx.Ready())
	cancel(errStop)
	require.Equal(t, errStop, ctx.Ready())
}

func TestDetachedGraceOutlivesItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, "outer"))
		grace := child.FromContext(outer).Grace()
		require.Equal(t, "outer", grace.Value(valueKey{}))

		time.Sleep(time.Hour)
		require.NoError(t, grace.Err(), "it does not end before its context")

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

func TestDetachedGraceRequestedAfterTheEndIsUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(context.Background())
		ctx := child.FromContext(outer)
		stop()
		grace, asked := ctx.Grace(), time.Now()
		require.NoError(t, grace.Err())
		<-grace.Done()
		require.Equal(t, 4500*time.Millisecond, time.Since(asked))
	})
}

// The grace counts from the end of the context, not from the first call of Grace.
func TestDetachedGraceCountsFromTheEndOfItsContext(t *testing.T) {
	for after, lasts := range map[time.Duration]time.Duration{
		time.Second:               3500 * time.Millisecond,
		4 * time.Second:           500 * time.Millisecond,
		4500 * time.Millisecond:   0,
		time.Hour:                 0,
		4500*time.Millisecond - 1: 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			outer, stop := context.WithCancel(context.Background())
			ctx := child.FromContext(outer)
			stop()
			time.Sleep(after)
			grace, asked := ctx.Grace(), time.Now()
			if lasts == 0 {
				require.Error(t, grace.Err(), "it has ended")
			}
			<-grace.Done()
			require.Equal(t, lasts, time.Since(asked))
			require.Equal(t, context.DeadlineExceeded, context.Cause(grace))
		})
	}
}

// A context that had ended before FromContext tells when only if its deadline ended it.
// Otherwise the grace counts from the call of FromContext.
func TestDetachedGraceOfAContextThatHadEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timedOut, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		time.Sleep(3 * time.Second)
		grace, asked := child.FromContext(timedOut).Grace(), time.Now()
		<-grace.Done()
		require.Equal(t, 2500*time.Millisecond, time.Since(asked))

		stopped, stop := context.WithTimeout(context.Background(), time.Hour)
		stop()
		time.Sleep(3 * time.Second)
		ctx, made := child.FromContext(stopped), time.Now()
		time.Sleep(time.Second)
		<-ctx.Grace().Done()
		require.Equal(t, 4500*time.Millisecond, time.Since(made))
	})
}

func TestDetachedContextHasOneGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(context.Background())
		ctx := child.FromContext(outer)
		grace := ctx.Grace()
		require.Same(t, grace, ctx.Grace())
		stop()
		time.Sleep(time.Second)
		require.Same(t, grace, ctx.Grace())
		time.Sleep(time.Hour)
		require.Same(t, grace, ctx.Grace())
		require.Error(t, grace.Err())
	})
}

func TestDetachedGraceIsRequestedConcurrentlyAsTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer, stop := context.WithCancel(context.Background())
		ctx := child.FromContext(outer)
		began := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				<-ctx.Grace().Done()
				require.Equal(t, 4500*time.Millisecond, time.Since(began))
			})
		}
		all.Go(stop)
		all.Wait()
	})
}

// watched is a context that counts the callbacks waiting for its end, and all that ever did.
type watched struct {
	context.Context
	waiting, made atomic.Int32
}

// collectUntil collects garbage until no more than that many callbacks wait.
func (w *watched) collectUntil(t *testing.T, left int32) {
	for limit := time.Now().Add(20 * time.Second); w.waiting.Load() > left; runtime.GC() {
		require.True(t, time.Now().Before(limit), "%d are not collected", w.waiting.Load()-left)
	}
}

func (*watched) Done() <-chan struct{} { return make(chan struct{}) }
func (*watched) Value(any) any         { return nil }

func (w *watched) AfterFunc(func()) func() bool {
	w.made.Add(1)
	w.waiting.Add(1)
	return func() bool { w.waiting.Add(-1); return true }
}

// A long-lived context may have many detached Contexts.
func TestUnreachableDetachedContextIsCollected(t *testing.T) {
	outer := &watched{Context: context.Background()}
	for range 100 {
		require.NoError(t, child.FromContext(outer).Ready())
	}
	require.EqualValues(t, 100, outer.made.Load())
	outer.collectUntil(t, 0)
}

// Code that holds only the channel of a grace must not wait forever.
func TestDetachedGraceEndsAfterItsContextIsCollected(t *testing.T) {
	outer := &watched{Context: context.Background()}
	const kept = 10
	for range kept {
		child.FromContext(outer).Grace()
	}
	child.FromContext(outer)
	outer.collectUntil(t, kept)
	runtime.GC()
	runtime.GC()
	require.EqualValues(t, kept, outer.waiting.Load())
}

func TestDetachedGraceOfAContextThatNeverEndsNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grace := child.FromContext(context.Background()).Grace()
		time.Sleep(time.Hour)
		require.NoError(t, grace.Err())
	})
}
