package jitter_test

import (
	"context"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
)

func TestNoneHoldsForDerivedContexts(t *testing.T) {
	require.False(t, jitter.IsNone(t.Context()))
	ctx := jitter.None(t.Context())
	require.True(t, jitter.IsNone(ctx))
	require.True(t, jitter.IsNone(context.WithoutCancel(ctx)))
}

func TestRemoveMakesEachDelayTheMiddleOfItsRange(t *testing.T) {
	for name, p := range map[string]child.BackoffPolicy{
		"Exponential":        child.Exponential(time.Second, time.Hour)(),
		"Retries":            child.Exponential(time.Second, time.Hour).Retries(9)(),
		"ExponentialBackOff": backoff.NewExponentialBackOff(backoff.WithInitialInterval(time.Second), backoff.WithMultiplier(2)),
	} {
		jitter.Remove(p)
		for range 2 {
			require.Equal(t, time.Second, p.NextBackOff(), name)
			require.Equal(t, 2*time.Second, p.NextBackOff(), name)
			require.Equal(t, 4*time.Second, p.NextBackOff(), name)
			p.Reset()
		}
	}
}

// value is not a pointer. number has a RandomizationFactor that is not a number.
type (
	value  struct{ RandomizationFactor float64 }
	number struct{ RandomizationFactor string }
)

func TestRemoveLeavesOtherPoliciesUnchanged(t *testing.T) {
	var typedNil *backoff.ExponentialBackOff
	for _, p := range []any{nil, typedNil, value{1}, &number{"half"}, new(int), 7, backoff.NewConstantBackOff(time.Second)} {
		require.NotPanics(t, func() { jitter.Remove(p) }, "%T", p)
	}
	jitter.Remove(child.Backoff(nil).Retries(1)())
}
