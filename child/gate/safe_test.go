package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A shard that is claimed when the lease is about to end could not be stopped in time.
func TestNothingStartsUnderALeaseThatIsInDanger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Spec{Elector: &jump{}})
		require.False(t, g.safe(), "it holds none")
		g.state = State{Open: true}
		require.True(t, g.safe(), "it does not end by itself")
		margin := g.terms.core().Margin()
		require.Equal(t, 5*time.Second+600*time.Millisecond, margin)
		g.state.Until = time.Now().Add(margin + 1)
		require.True(t, g.safe())
		time.Sleep(time.Nanosecond)
		require.False(t, g.safe())
		g.state.Until = time.Now().Add(time.Hour)
		g.state.Open = false
		require.False(t, g.safe(), "it stops")
	})
}
