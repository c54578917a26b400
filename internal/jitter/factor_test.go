package jitter_test

import (
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/jitter"
)

func TestFactorIsThatOfThePolicy(t *testing.T) {
	for name, p := range map[string]child.BackoffPolicy{
		"Exponential":        child.Exponential(time.Second, time.Hour)(),
		"Retries":            child.Exponential(time.Second, time.Hour).Retries(9)(),
		"ExponentialBackOff": backoff.NewExponentialBackOff(),
	} {
		require.Equal(t, 0.5, jitter.Factor(p), name)
		jitter.Remove(p)
		require.Zero(t, jitter.Factor(p), name)
	}
	var typedNil *backoff.ExponentialBackOff
	for _, p := range []any{nil, typedNil, value{1}, &number{"half"}, new(int), 7, backoff.NewConstantBackOff(time.Second), child.Backoff(nil).Retries(1)()} {
		require.Zero(t, jitter.Factor(p), "%T", p)
	}
}
