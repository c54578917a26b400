package child_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func TestRestartTextRoundTrip(t *testing.T) {
	for want, name := range map[child.Restart]string{
		child.Permanent: "permanent",
		child.Transient: "transient",
		child.Temporary: "temporary",
	} {
		require.Equal(t, name, want.String())
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(text))
		var got child.Restart
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
}

func TestUnknownRestartHasNoText(t *testing.T) {
	unknown := child.Temporary + 1
	require.Equal(t, "restart(3)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "child: no such restart: 3")
}

func TestUnknownRestartNameIsRejected(t *testing.T) {
	for _, name := range []string{"", "Permanent", "always", "restart(3)"} {
		r := child.Transient
		require.ErrorContains(t, r.UnmarshalText([]byte(name)), "no such restart")
		require.Equal(t, child.Transient, r, "unchanged")
	}
}
