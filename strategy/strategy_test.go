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
	unknown := Independent + 1
	require.Equal(t, "strategy(4)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "strategy: no such strategy: 4")
}

func TestUnknownStrategyNameIsRejected(t *testing.T) {
	for _, name := range []string{"", "One-For-One", "one_for_one", "strategy(4)"} {
		s := RestForOne
		require.ErrorContains(t, s.UnmarshalText([]byte(name)), "no such strategy")
		require.Equal(t, RestForOne, s, "unchanged")
	}
}
