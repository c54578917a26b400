package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/strategy"
)

func TestIndependentAndGraphAreUnordered(t *testing.T) {
	require.True(t, Ordered(strategy.OneForOne))
	require.True(t, Ordered(strategy.OneForAll))
	require.True(t, Ordered(strategy.RestForOne))
	require.False(t, Ordered(strategy.Independent))
	require.False(t, Ordered(strategy.Graph))
}

func TestAutoShutdownDue(t *testing.T) {
	for _, c := range []struct {
		auto strategy.AutoShutdown
		left int
		want bool
	}{
		{strategy.Never, 0, false},
		{strategy.Never, 1, false},
		{strategy.AnySignificant, 0, true},
		{strategy.AnySignificant, 1, true},
		{strategy.AnySignificant, 5, true},
		{strategy.AllSignificant, 0, true},
		{strategy.AllSignificant, 1, false},
		{strategy.AllSignificant, 5, false},
	} {
		require.Equal(t, c.want, Due(c.auto, c.left), "%v with %d left", c.auto, c.left)
	}
}

func TestRestartsReturnsALimitInWords(t *testing.T) {
	for want, limit := range map[string]strategy.Intensity{
		"3 restarts in 5s":       {},
		"0 restarts in 1s":       strategy.AtMost(0, time.Second),
		"1 restart in 1m0s":      strategy.AtMost(1, time.Minute),
		"any number of restarts": strategy.Unlimited(),
	} {
		require.Equal(t, want, Restarts(limit))
	}
}
