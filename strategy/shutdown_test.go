package strategy

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestZeroAutoShutdownIsNever(t *testing.T) {
	var zero AutoShutdown
	require.Equal(t, Never, zero)
}

func TestAutoShutdownTextRoundTrip(t *testing.T) {
	for want, name := range map[AutoShutdown]string{
		Never:          "never",
		AnySignificant: "any-significant",
		AllSignificant: "all-significant",
	} {
		require.Equal(t, name, want.String())
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(text))
		var got AutoShutdown
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
}

func TestUnknownAutoShutdownHasNoText(t *testing.T) {
	unknown := AllSignificant + 1
	require.Equal(t, "auto-shutdown(3)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "strategy: no such auto shutdown: 3")
}

func TestUnknownAutoShutdownNameIsRejected(t *testing.T) {
	for _, name := range []string{"", "Never", "any_significant", "auto-shutdown(3)"} {
		a := AnySignificant
		require.ErrorContains(t, a.UnmarshalText([]byte(name)), "no such auto shutdown")
		require.Equal(t, AnySignificant, a, "unchanged")
	}
}
