package supervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/supervisor"
)

func TestEventsDistinguishAFailureFromAFailedStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sup := supervisor.New(supervisor.Spec{Logger: quiet, Children: []child.Spec{{
			Name: "a", Run: func(ctx child.Context) error {
				if ctx.Restarts() == 0 { // the first run comes up, the second does not
					_ = ctx.Ready()
				}
				return errBoom
			},
		}}})
		failed := record(t, sup, supervisor.EventFailed)
		require.ErrorIs(t, sup.Serve(t.Context()), errBoom)
		events := failed.take()
		require.GreaterOrEqual(t, len(events), 2)
		require.True(t, events[0].Ready, "it had been ready")
		require.False(t, events[1].Ready, "it had not")
	})
}
