package badline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/badline"
)

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestARequestWaitsWhileTheLineIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l badline.Line
		require.NoError(t, l.Send(t.Context()))
		l.Cut(true)
		l.Cut(true)
		require.ErrorIs(t, l.Send(within(t, time.Second)), context.DeadlineExceeded)
		time.AfterFunc(time.Minute, func() { l.Cut(false) })
		began := time.Now()
		require.NoError(t, l.Send(t.Context()))
		require.Equal(t, time.Minute, time.Since(began))
		l.Cut(false)
		require.NoError(t, l.Send(t.Context()))
	})
}

func TestRepliesToChangesAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l badline.Line
		l.LoseReplies(1)
		l.LoseReplies(1)
		require.NoError(t, l.Answer(t.Context(), false), "it changes nothing")
		for range 2 {
			require.ErrorIs(t, l.Answer(within(t, time.Second), true), context.DeadlineExceeded)
		}
		require.NoError(t, l.Answer(t.Context(), true))
	})
}

func TestRepliesAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l badline.Line
		l.Slow(time.Second)
		began := time.Now()
		require.NoError(t, l.Answer(t.Context(), false))
		require.Equal(t, time.Second, time.Since(began))
		require.ErrorIs(t, l.Answer(within(t, time.Millisecond), true), context.DeadlineExceeded)
		l.Slow(0)
		require.NoError(t, l.Answer(t.Context(), true))
	})
}
