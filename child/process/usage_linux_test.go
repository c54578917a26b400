package process

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsageOfThisProcess(t *testing.T) {
	before, ok := usageOf(os.Getpid())
	require.True(t, ok)
	require.Greater(t, before.memory, int64(1_000_000))
	require.Less(t, before.memory, int64(10_000_000_000))
	for began := time.Now(); ; { // use some time
		after, ok := usageOf(os.Getpid())
		require.True(t, ok)
		if after.cpu > before.cpu {
			require.LessOrEqual(t, after.cpu-before.cpu, 100*time.Since(began)+time.Second)
			return
		}
	}
}

func TestUsageOfNobody(t *testing.T) {
	_, ok := usageOf(-1)
	require.False(t, ok)
}
