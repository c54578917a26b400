package strategy

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestZeroStrategyIsOneForOne(t *testing.T) {
	var zero Strategy
	require.Equal(t, OneForOne, zero)
}

func TestStrategyTextRoundTrip(t *testing.T) {
	for want, name := range map[Strategy]string{
		OneForOne:   "one-for-one",
		OneForAll:   "one-for-all",
		RestForOne:  "rest-for-one",
		Independent: "independent",
		Graph:       "graph",
	} {
		require.Equal(t, name, want.String())
		text, err := json.Marshal(want)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(text))
		var got Strategy
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, got)
	}
}

func TestUnknownStrategyHasNoText(t *testing.T) {
	unknown := Graph + 1
	require.Equal(t, "strategy(5)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "strategy: no such strategy: 5")
}

func TestUnknownStrategyNameIsRejected(t *testing.T) {
	for _, name := range []string{"", "One-For-One", "one_for_one", "strategy(5)"} {
		s := RestForOne
		require.ErrorContains(t, s.UnmarshalText([]byte(name)), "no such strategy")
		require.Equal(t, RestForOne, s, "unchanged")
	}
}
