package kept_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/internal/kept"
)

func TestWhatIsMissingForASecondOfOneRunIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := &child.Status{State: child.Running, Run: 1}
		second := &child.Status{State: child.Running, Run: 2}
		waiting := &child.Status{State: child.Waiting, Run: 1}
		var k kept.Kept[int]
		require.Nil(t, k.Value)
		k.Found(new(int))
		require.NotNil(t, k.Value)

		require.False(t, k.Missing(first), "the run may be over")
		time.Sleep(999 * time.Millisecond)
		require.False(t, k.Missing(first))
		time.Sleep(time.Millisecond)
		require.True(t, k.Missing(first))
		require.NotNil(t, k.Value, "the caller decides")

		require.False(t, k.Missing(second), "another run")
		time.Sleep(time.Hour)
		require.False(t, k.Missing(waiting), "a restart may bring it back")
		require.False(t, k.Missing(second), "counted again")
		time.Sleep(time.Hour)
		k.Found(k.Value)
		require.False(t, k.Missing(second), "it was there meanwhile")
		time.Sleep(time.Second)
		require.True(t, k.Missing(second))
	})
}
