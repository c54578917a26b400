package strategy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIntensityLimit(t *testing.T) {
	for _, c := range []struct {
		name      string
		intensity Intensity
		n         int
		period    time.Duration
		ok        bool
		text      string
	}{
		{"zero", Intensity{}, 3, 5 * time.Second, true, "3 in 5s"},
		{"at most", AtMost(10, time.Minute), 10, time.Minute, true, "10 in 1m0s"},
		{"at most the default", AtMost(DefaultRestarts, DefaultPeriod), 3, 5 * time.Second, true, "3 in 5s"},
		{"none", AtMost(0, time.Second), 0, time.Second, true, "0 in 1s"},
		{"unlimited", Unlimited(), 0, 0, false, "unlimited"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, period, ok := c.intensity.Limit()
			require.Equal(t, c.n, n)
			require.Equal(t, c.period, period)
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.text, c.intensity.String())
			require.NoError(t, c.intensity.Validate())
		})
	}
}

func TestIntensityValidate(t *testing.T) {
	require.EqualError(t, AtMost(-1, time.Second).Validate(), "negative number of restarts: -1")
	require.EqualError(t, AtMost(1, 0).Validate(), "period is not positive: 0s")
	require.EqualError(t, AtMost(1, -time.Second).Validate(), "period is not positive: -1s")
}
