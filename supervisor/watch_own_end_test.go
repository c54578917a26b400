package supervisor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
)

// The event that a supervisor gave up has its own path, which is not below the child's.
func TestWatchOfAChildDoesNotReceiveThatTheSupervisorGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newPuppet()
		sup := newRoot(supervisor.Spec{Intensity: strategy.AtMost(0, time.Second), Children: []child.Spec{{Name: "a", Run: a.Run}}})
		one := sup.Watch(t.Context(), "a", supervisor.EventFailed, supervisor.EventGaveUp)
		self := sup.Watch(t.Context(), "/root", supervisor.EventGaveUp)
		require.NoError(t, sup.Start(t.Context()))
		a.end(errBoom)
		require.Equal(t, []string{"failed /root/a"}, got(one))
		require.Equal(t, []string{"gave-up /root"}, got(self))
		require.ErrorIs(t, sup.Wait(), errBoom)
	})
}
