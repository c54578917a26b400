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

func TestStrategyAffected(t *testing.T) {
	for _, c := range []struct {
		strategy         Strategy
		failed, n        int
		wantFrom, wantTo int
	}{
		{OneForOne, 0, 1, 0, 1},
		{OneForOne, 0, 4, 0, 1},
		{OneForOne, 2, 4, 2, 3},
		{OneForOne, 3, 4, 3, 4},
		{OneForAll, 0, 1, 0, 1},
		{OneForAll, 0, 4, 0, 4},
		{OneForAll, 2, 4, 0, 4},
		{OneForAll, 3, 4, 0, 4},
		{RestForOne, 0, 1, 0, 1},
		{RestForOne, 0, 4, 0, 4},
		{RestForOne, 2, 4, 2, 4},
		{RestForOne, 3, 4, 3, 4},
		{Independent, 0, 1, 0, 1},
		{Independent, 0, 4, 0, 1},
		{Independent, 2, 4, 2, 3},
		{Independent, 3, 4, 3, 4},
	} {
		from, to := c.strategy.Affected(c.failed, c.n)
		require.Equal(t, []int{c.wantFrom, c.wantTo}, []int{from, to}, "%v: %d of %d", c.strategy, c.failed, c.n)
	}
}

func TestOnlyIndependentIsUnordered(t *testing.T) {
	require.True(t, OneForOne.Ordered())
	require.True(t, OneForAll.Ordered())
	require.True(t, RestForOne.Ordered())
	require.False(t, Independent.Ordered())
}

func TestStrategyTextRoundTrip(t *testing.T) {
	for want, name := range map[Strategy]string{
		OneForOne:   "one-for-one",
		OneForAll:   "one-for-all",
		RestForOne:  "rest-for-one",
		Independent: "independent",
	} {
		require.True(t, want.Valid())
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
	require.False(t, unknown.Valid())
	require.Equal(t, "strategy(4)", unknown.String())
	_, err := unknown.MarshalText()
	require.EqualError(t, err, "strategy: no such strategy: 4")
}

func TestUnknownStrategyNameIsRefused(t *testing.T) {
	for _, name := range []string{"", "One-For-One", "one_for_one", "strategy(4)"} {
		s := RestForOne
		require.ErrorContains(t, s.UnmarshalText([]byte(name)), "no such strategy")
		require.Equal(t, RestForOne, s, "left as it was")
	}
}
