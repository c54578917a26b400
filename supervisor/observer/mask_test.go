package observer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMaskTakesOutNumbersAddressesAndIdentifiers(t *testing.T) {
	for text, want := range map[string]string{
		"":             "",
		"no such host": "no such host",
		"dial tcp 10.0.4.17:5432: connect: connection refused":  "dial tcp ‹addr›: connect: connection refused",
		"dial tcp [::1]:5432: i/o timeout":                      "dial tcp ‹addr›: i/o timeout",
		"ping fe80::1%eth0: unreachable":                        "ping ‹addr›: unreachable",
		"read tcp 127.0.0.1:49152->10.0.4.17:5432: reset":       "read tcp ‹addr›->‹addr›: reset",
		"lookup db.internal on 10.0.0.2: no such host":          "lookup db.internal on ‹addr›: no such host",
		"merge: segment 0x1f4: checksum mismatch":               "merge: segment ‹id›: checksum mismatch",
		"order 123e4567-e89b-12d3-a456-426614174000 is gone":    "order ‹id› is gone",
		"commit a1b2c3d4e5: not found":                          "commit ‹id›: not found",
		"did not stop within 1.5s":                              "did not stop within ‹n›s",
		"job-17 failed after 3 tries, 4.":                       "job-‹n› failed after ‹n› tries, ‹n›.",
		"POST https://warehouse.internal/v2/batch: 503 Service": "POST https://warehouse.internal/v‹n›/batch: ‹n› Service",
		"std::bad_alloc":                                        "std::bad_alloc",
		"decade of facades":                                     "decade of facades",
		"tag \x1b[2J日本 7":                                       "tag \x1b[‹n›J日本 ‹n›",
		strings.Repeat("1 ", mostMasked) + "x 2":                strings.Repeat("‹n› ", mostMasked) + "x 2",
	} {
		m := mask(text)
		require.Equal(t, want, m.form, "%q", text)
		require.Equal(t, text, m.fill(m.values), "what was taken out fits in again")
	}
}

func TestValuesThatAllShareAreShown(t *testing.T) {
	var s shared
	s.add(mask("dial tcp 10.0.4.17:5432: try 1"))
	require.Equal(t, "dial tcp 10.0.4.17:5432: try 1", s.String())
	require.False(t, s.differ)
	s.add(mask("dial tcp 10.0.4.17:5432: try 2"))
	s.add(mask("dial tcp 10.0.4.17:5432: try 1"))
	require.Equal(t, "dial tcp 10.0.4.17:5432: try ‹n›", s.String())
	require.True(t, s.differ)
}

func FuzzMask(f *testing.F) {
	f.Add("dial tcp 10.0.4.17:5432: connect: connection refused")
	f.Add("[::1%]:80 0x -1-2- ::")
	f.Fuzz(func(t *testing.T, text string) {
		m := mask(text)
		require.Equal(t, text, m.fill(m.values))
		require.Len(t, m.parts, len(m.values)+1)
		var s shared
		s.add(m)
		s.add(m)
		require.Equal(t, text, s.String())
	})
}
