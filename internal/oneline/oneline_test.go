package oneline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/oneline"
)

func TestHarmfulTextIsEscapedAsInGo(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"plain, “quoted”, 日本, \\n":  "plain, “quoted”, 日本, \\n",
		"a\x1b[2J":                  `a\x1b[2J`,
		"a\r\n\tb\x00\x7f":          `a\r\n\tb\x00\x7f`,
		"\u0085\u009b":              `\u0085\u009b`,
		"\u2028\u2029":              `\u2028\u2029`,
		"\u202eevil\u2066\u200b":    `\u202eevil\u2066\u200b`,
		"\ufeffx\u00ad\U000e0041":   `\ufeffx\u00ad\U000e0041`,
		"\xffa\xed\xa0\x80":         `\xffa\xed\xa0\x80`,
		"a real one: \ufffd":        "a real one: \ufffd",
		"e\u0301, no-break\u00a0it": "e\u0301, no-break\u00a0it",
	} {
		require.Equal(t, want, oneline.Text(text), "%q", text)
	}
}

func TestHarmlessTextIsReturnedUnchanged(t *testing.T) {
	text := strings.Repeat("harmless, häßlich, 日本 ", 10)
	require.Zero(t, testing.AllocsPerRun(100, func() { text = oneline.Text(text) }))
}

// grumpy is an error whose Error method panics.
type grumpy struct{}

func (grumpy) Error() string { panic("no") }

// formatted is an error that fmt does not ask for its Error.
type formatted struct{ error }

func (formatted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "formatted") }

// spiteful is an error whose Error method panics with the error itself, so that fmt panics too.
type spiteful struct{}

func (s spiteful) Error() string { panic(s) }

type typedNil struct{ text string }

func (n *typedNil) Error() string { return n.text }

func TestTextOfAnyErrorIsOneLine(t *testing.T) {
	for _, c := range []struct {
		of        any
		all, head string
	}{
		{errors.New("boom"), "boom", "boom"},
		{errors.Join(errors.New("disk"), errors.New("full")), "disk; full", "disk"},
		{errors.New("a\r\nb\rc\n"), `a; b\rc`, "a"},
		{errors.New("a\n\x1b[2J"), `a; \x1b[2J`, "a"},
		{errors.New("\n"), "", ""},
		{(*typedNil)(nil), "<nil>", "<nil>"},
		{nil, "<nil>", "<nil>"},
		{grumpy{}, "%!v(PANIC=Error method: no)", "%!v(PANIC=Error method: no)"},
		{formatted{}, "formatted", "formatted"},
		{spiteful{}, "(oneline_test.spiteful)", "(oneline_test.spiteful)"},
		{fmt.Errorf("wrapped: %w", errors.New("x\u202e")), `wrapped: x\u202e`, `wrapped: x\u202e`},
	} {
		require.Equal(t, c.all, oneline.Of(c.of))
		require.Equal(t, c.head, oneline.First(c.of))
	}
	require.Equal(t, "a\nb", oneline.Sprint(errors.New("a\nb")), "Sprint keeps line breaks")
}

func TestHarmfulTextInJSONIsEscapedAndDecodesToTheSame(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"b","n":[1]}`:                `{"a":"b","n":[1]}`,
		"\"x\u202ey\u009b\x7fz\"":          `"x\u202ey\u009b\u007fz"`,
		"\"\U000e0041\u200d日本\\u2028\"":    `"\udb40\udc41\u200d日本\u2028"`,
		"[\"\u0085\",\"\ufffd\",\"\xff\"]": "[\"\\u0085\",\"\ufffd\",\"\xff\"]",
	} {
		got := oneline.JSON([]byte(text))
		require.Equal(t, want, string(got))
		var before, after any
		require.NoError(t, json.Unmarshal([]byte(text), &before))
		require.NoError(t, json.Unmarshal(got, &after))
		require.Equal(t, before, after)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "boom", "a\x1b[2J\rb\nc", "\u2028\u202e\xff\u0085", "\U000e0041", "日本\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, text := range []string{oneline.Text(s), oneline.Of(s), oneline.First(s)} {
			if !utf8.ValidString(text) {
				t.Fatalf("%q is not UTF-8", text)
			}
			for _, r := range text {
				if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("%q contains %q", text, r)
				}
			}
			if oneline.Text(text) != text {
				t.Fatalf("%q is escaped again", text)
			}
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var before, after string
		safe := oneline.JSON(written)
		if oneline.Text(string(safe)) != string(safe) {
			t.Fatalf("%q contains harmful text", safe)
		}
		if err := errors.Join(json.Unmarshal(written, &before), json.Unmarshal(safe, &after)); err != nil || before != after {
			t.Fatalf("%q became %q: %v", before, after, err)
		}
	})
}
