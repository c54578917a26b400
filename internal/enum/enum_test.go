package enum_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/enum"
)

type fruit uint8

var fruits = enum.Of[fruit]("fruit", "garden: no such fruit", "", "apple", "pear")

func TestTextOfANamedValueIsItsName(t *testing.T) {
	for want, name := range map[fruit]string{1: "apple", 2: "pear"} {
		require.True(t, fruits.Valid(want))
		require.Equal(t, name, fruits.String(want))
		text, err := fruits.MarshalText(want)
		require.NoError(t, err)
		require.Equal(t, name, string(text))
		var got fruit
		require.NoError(t, fruits.UnmarshalText(&got, text))
		require.Equal(t, want, got)
	}
}

func TestTextOfAnUnnamedValueHasItsNumber(t *testing.T) {
	for unknown, text := range map[fruit]string{0: "fruit(0)", 3: "fruit(3)", 255: "fruit(255)"} {
		require.False(t, fruits.Valid(unknown))
		require.Equal(t, text, fruits.String(unknown))
		_, err := fruits.MarshalText(unknown)
		require.EqualError(t, err, "garden: no such fruit: "+text[len("fruit("):len(text)-1])
	}
}

func TestUnknownNameIsRejected(t *testing.T) {
	for _, text := range []string{"", "Apple", "plum", "fruit(1)"} {
		f := fruit(2)
		require.ErrorContains(t, fruits.UnmarshalText(&f, []byte(text)), "garden: no such fruit: ")
		require.Equal(t, fruit(2), f, "unchanged")
	}
}
