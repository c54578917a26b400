package vitals_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/oneline"
	"github.com/coppice-go/coppice/internal/vitals"
)

func TestLineIsTheFirstLineEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"plain":                "plain",
		"first\r\nsecond":      "first",
		"a\x1b[2Jb":            `a\x1b[2Jb`,
		"exactly 16 bytes":     "exactly 16 bytes",
		"17 bytes are here":    "17 bytes are …",
		"ääääääää":             "ääääääää",
		"aääääääää":            "aääääää…",
		"\x1b\x1b\x1b\x1b\x1b": `\x1b\x1b\x1b\…`,
	} {
		require.Equal(t, want, vitals.Line(text, 16), "%q", text)
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "boom", "日本日本日本日本", "\xff\xfe\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", "a\nb"} {
		f.Add(seed, 16)
	}
	f.Fuzz(func(t *testing.T, text string, max int) {
		if max < 3 || max > 1<<20 {
			return
		}
		got := vitals.Line(errors.New(text), max)
		switch {
		case len(got) > max:
			t.Fatalf("%d bytes: %q", len(got), got)
		case !utf8.ValidString(got) || oneline.Text(got) != got:
			t.Fatalf("harmful: %q", got)
		}
	})
}

func TestLineOfAMegabyteIsShort(t *testing.T) {
	require.Len(t, vitals.Line(strings.Repeat("\x00", 1<<20), 300), 300)
}
