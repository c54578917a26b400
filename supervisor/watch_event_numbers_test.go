package supervisor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/machine"
)

// The machine's event kinds have the numbers of the public ones, so no table translates
// them.
func TestNotesAreTheEventsOfTheSameNumber(t *testing.T) {
	for note, event := range map[machine.EventKind]EventKind{
		machine.Starting: EventStarting, machine.Ready: EventReady, machine.Failed: EventFailed,
		machine.Restarting: EventRestarting, machine.Completed: EventCompleted,
		machine.Stopping: EventStopping, machine.Stopped: EventStopped,
		machine.Abandoned: EventAbandoned, machine.LateExit: EventLateExit,
		machine.Removed: EventRemoved, machine.Hung: EventHung,
		machine.SlowStart: EventSlowStart, machine.GaveUp: EventGaveUp,
	} {
		require.Equal(t, event, EventKind(note))
		require.Equal(t, machine.EventKinds(event.set()), note.Set(), "%v", event)
	}
}
