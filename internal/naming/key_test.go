package naming_test

import (
	"math"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/naming"
)

type (
	tenant string
	key    struct {
		Tenant string
		ID     int
	}
	pair    struct{ A, B string }
	dynamic struct{ V any }
)

// level has a String method that does not distinguish all levels.
type level int

func (l level) String() string {
	if l > 2 {
		return "high"
	}
	return "low"
}

// broken has a String method that panics.
type broken struct{}

func (broken) String() string { panic("no text") }

func TestNamesOfKeys(t *testing.T) {
	for want, k := range map[string]any{
		"eu-1":                                "eu-1",
		"eu%2F1":                              "eu/1",
		"100%25":                              tenant("100%"),
		"a b":                                 "a b",
		"Zürich-日本":                           "Zürich-日本",
		"%":                                   "",
		"%0A%E2%80%AE%FF":                     "\n\u202e\xff",
		"\ufffd":                              "\ufffd",
		"17":                                  17,
		"-1":                                  int8(-1),
		"true":                                true,
		"<nil>":                               nil,
		"1.5":                                 1.5,
		"1m0s":                                time.Minute,
		"[::1]:80":                            netip.MustParseAddrPort("[::1]:80"),
		`{"a%2Fb" 7}`:                         key{"a/b", 7},
		`{int8(1)}`:                           dynamic{int8(1)},
		`{nil}`:                               dynamic{},
		"[1 2]":                               [2]int{1, 2},
		"0102ff":                              [3]byte{1, 2, 255},
		"%25!v(PANIC=String method: no text)": broken{},
	} {
		require.Equal(t, want, naming.Of(k))
	}
}

func TestEqualKeysHaveTheSameName(t *testing.T) {
	negative := math.Copysign(0, -1)
	require.Equal(t, naming.Of(0.0), naming.Of(negative))
	require.Equal(t, naming.Of(complex(0, 0)), naming.Of(complex(negative, negative)))
	a, b := new(int), new(int)
	require.Equal(t, naming.Of(a), naming.Of(a))
	require.NotEqual(t, naming.Of(a), naming.Of(b))
}

func TestKeysThatPrintAlikeHaveDifferentNames(t *testing.T) {
	for _, two := range [][2]any{
		{pair{"a b", "c"}, pair{"a", "b c"}},
		{pair{`a" "b`, "c"}, pair{"a", `b" "c`}},
		{struct{ L level }{3}, struct{ L level }{4}},
		{[1]level{3}, [1]level{4}},
		{dynamic{level(3)}, dynamic{level(4)}},
		{dynamic{1}, dynamic{int8(1)}},
		{dynamic{"1"}, dynamic{1}},
		{dynamic{nil}, dynamic{"nil"}},
		{"a/b", "a%2Fb"},
		{"", "%"},
		{"\xff", "\ufffd"},
		{strings.Repeat("x", 200), strings.Repeat("x", 201)},
		{strings.Repeat("x", 200), naming.Of(strings.Repeat("x", 200))},
	} {
		require.NotEqual(t, naming.Of(two[0]), naming.Of(two[1]), "%q", two)
	}
}

func TestLongNamesEndWithAHash(t *testing.T) {
	require.Equal(t, strings.Repeat("x", 128), naming.Of(strings.Repeat("x", 128)))
	require.Regexp(t, `^x{94}%~[0-9a-f]{32}$`, naming.Of(strings.Repeat("x", 129)))
	for _, head := range []string{"", "x", "xx"} {
		require.Regexp(t, `^x*(%2F)+%~[0-9a-f]{32}$`, naming.Of(head+strings.Repeat("/", 60)), "does not split an escape")
		require.Regexp(t, `^x*日+%~[0-9a-f]{32}$`, naming.Of(head+strings.Repeat("日", 60)), "does not split a rune")
	}
}

// For any text the name is valid and short, and can be converted back to the text.
func TestEscape(t *testing.T) {
	names := map[string]string{}
	require.NoError(t, quick.Check(func(bytes []byte, text string) bool {
		for _, s := range []string{string(bytes), text, "/" + text, strings.ToValidUTF8(text, "%") + "%"} {
			name := naming.Escape(s)
			if name == "" || len(name) > 128 || naming.Problem(name) != "" {
				return false
			}
			if other, taken := names[name]; taken && other != s {
				return false
			}
			names[name] = s
			if back, err := url.PathUnescape(name); s != "" && !strings.Contains(name, "%~") && (err != nil || back != s) {
				return false
			}
		}
		return true
	}, &quick.Config{MaxCount: 2000}))
}
