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

// A supervisor may give up because one below it ended with a stop report of its own.
// errors.As must find the report of the outer supervisor's end.
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
