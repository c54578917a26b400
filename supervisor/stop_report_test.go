package supervisor_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
	"github.com/coppice-go/coppice/strategy"
	"github.com/coppice-go/coppice/supervisor"
	"github.com/coppice-go/coppice/supervisortest"
)

// The failure that a supervisor gave up for may be the end of one below, with a
// stop report of its own. The one to be found is the report of the end at hand.
func TestStopErrorOfAnEndIsNotThatOfTheFailureItCameFrom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		failing, below, beside := &supervisortest.Child{}, &supervisortest.Child{StopAfter: time.Minute}, &supervisortest.Child{StopAfter: time.Minute}
		inner := supervisor.New(supervisor.Spec{
			Intensity: strategy.AtMost(0, time.Second),
			Children:  []child.Spec{{Name: "below", Run: below.Run}, {Name: "failing", Run: failing.Run}},
		})
		root := newRoot(supervisor.Spec{
			Intensity: strategy.AtMost(0, time.Second),
			Children:  []child.Spec{{Name: "beside", Run: beside.Run}, {Name: "inner", Run: inner.Run}},
		})
		require.NoError(t, root.Start(t.Context()))
		failing.End(t, errBoom)
		err := root.Wait()
		var gaveUp *supervisor.GaveUpError
		require.ErrorAs(t, err, &gaveUp)
		require.Equal(t, "/root", gaveUp.Path)
		var stop *supervisor.StopError
		require.ErrorAs(t, err, &stop)
		var left []string
		for _, s := range stop.Abandoned {
			left = append(left, s.Path)
		}
		require.Equal(t, []string{"/root/inner/below", "/root/beside"}, left)
		require.ErrorAs(t, errors.Unwrap(gaveUp), &stop, "that of the failure is still there")
		require.Len(t, stop.Abandoned, 1)
		time.Sleep(time.Hour)
	})
}
