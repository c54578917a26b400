package child_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

// slept returns the result of Sleep and how long it took.
func slept(ctx context.Context, d time.Duration) (halted bool, took time.Duration) {
	began := time.Now()
	halted = child.Sleep(ctx, d)
	return halted, time.Since(began)
}

func TestSleepWaitsForTheWholeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		halted, took := slept(context.Background(), time.Minute)
		require.False(t, halted)
		require.Equal(t, time.Minute, took)
	})
}

func TestSleepIsHaltedByTheEndOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		halted, took := slept(ctx, time.Minute)
		require.True(t, halted)
		require.Equal(t, time.Second, took)
	})
}

func TestSleepOnAContextThatHasEndedReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for _, d := range []time.Duration{-time.Second, 0, time.Minute} {
			halted, took := slept(ctx, d)
			require.True(t, halted, "%v", d)
			require.Zero(t, took, "%v", d)
		}
	})
}

func TestSleepOfZeroOrLessReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []time.Duration{-time.Second, 0} {
			halted, took := slept(context.Background(), d)
			require.False(t, halted, "%v", d)
			require.Zero(t, took, "%v", d)
		}
	})
}

func TestSleepOnNilNeverHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none context.Context
		halted, took := slept(none, time.Minute)
		require.False(t, halted)
		require.Equal(t, time.Minute, took)
	})
}
