package child_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestStateTextRoundTrip(t *testing.T) {
	for want, name := range map[child.State]string{
		child.Stopped:  "stopped",
		child.Starting: "starting",
		child.Running:  "running",
		child.Stopping: "stopping",
		child.Waiting:  "waiting",
		child.Done:     "done",
	} {
		require.Equal(t, name, want.String())
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(text))
		var got child.State
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
}

func TestUnknownStateHasNoText(t *testing.T) {
	unknown := child.Done + 1
	require.False(t, unknown.Alive())
	require.Equal(t, "state(6)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "child: no such state: 6")
}

func TestUnknownStateNameIsRejected(t *testing.T) {
	for _, name := range []string{"", "Running", "ready", "state(6)"} {
		s := child.Waiting
		require.ErrorContains(t, s.UnmarshalText([]byte(name)), "no such state")
		require.Equal(t, child.Waiting, s, "unchanged")
	}
}

func TestAliveIsFromTheCallOfRunToItsReturn(t *testing.T) {
	for state, want := range map[child.State]bool{
		child.Stopped:  false,
		child.Starting: true,
		child.Running:  true,
		child.Stopping: true,
		child.Waiting:  false,
		child.Done:     false,
	} {
		require.Equal(t, want, state.Alive(), "%v", state)
	}
}
