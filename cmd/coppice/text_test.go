package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/internal/view"
)

func TestShortDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 340 * time.Millisecond: "0.3s", time.Second: "1s", 9949 * time.Millisecond: "9.9s", 9950 * time.Millisecond: "9s",
		26 * time.Second: "26s", 72 * time.Second: "1m12s", 2 * time.Minute: "2m", 3*time.Hour + 5*time.Minute + time.Second: "3h5m",
		24 * time.Hour: "1d", 148*time.Hour + time.Minute: "6d4h", 1<<63 - 1: "106751d23h",
	} {
		require.Equal(t, want, short(d))
	}
}

func TestCounts(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 96000: "96,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		require.Equal(t, want, count(n))
	}
	require.Equal(t, "18,446,744,073,709,551,615", count(uint64(1<<64-1)))
	require.Equal(t, "1 child", counted(1, "child", "children"))
	require.Equal(t, "0 children", counted(0, "child", "children"))
}

func TestWordsOfOneAndOfAMoment(t *testing.T) {
	require.Equal(t, "1 child", folded(1))
	require.Equal(t, "1,000 alike", folded(1000))
	require.Equal(t, "down for a moment", outage(99*time.Millisecond))
	require.Equal(t, "down 0.1s", outage(100*time.Millisecond))
}

func TestClockTimes(t *testing.T) {
	require.Equal(t, "02:03:21", clock(now.Add(-time.Hour), now))
	require.Equal(t, "Nov 25 03:03:21", clock(now.Add(-48*time.Hour), now))
	require.Equal(t, "Nov 29 03:03:21", clock(now.Add(48*time.Hour), now))
}

func TestWidths(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "é": 1, "e\u0301": 1, "日本": 4, "한": 2, "ｗ": 2, "🙂": 2, "├─ ": 3, "…": 1, "‹n›": 3} {
		require.Equal(t, want, width(text), text)
	}
	for _, c := range []struct {
		text string
		to   int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"ab", 1, "…"}, {"ab", 0, ""}, {"", 0, ""}, {"日", 1, "…"}} {
		require.Equal(t, c.want, cut(c.text, c.to), "%q to %d", c.text, c.to)
		require.LessOrEqual(t, width(cut(c.text, c.to)), c.to)
	}
	for i := 1; i < len(wide); i++ {
		require.Less(t, wide[i-1][1], wide[i][0], "the table is sorted")
		require.LessOrEqual(t, wide[i][0], wide[i][1])
	}
}

func TestLinesAreCutAcrossSpans(t *testing.T) {
	l := line{{"abc", bold}, {"def", plain}, {"ghi", bad}}
	for to := range 12 {
		got := l.cut(to)
		require.LessOrEqual(t, got.width(), to)
		if to < 9 && to > 0 {
			require.Equal(t, "abcdefghi"[:to-1]+"…", got.render(false))
		}
	}
	require.Equal(t, "\x1b[1mabc\x1b[0mde…", l.cut(6).render(true))
	require.Equal(t, "abcdefghi", l.cut(9).render(false))
}

func TestWrapping(t *testing.T) {
	require.Equal(t, []string{"one two three"}, wrap("one two three", 0))
	require.Equal(t, []string{"one two", "three"}, wrap("one two three", 8))
	require.Equal(t, []string{"a", "abcde", "fghij", "k l"}, wrap("a abcdefghijk l", 5))
	require.Equal(t, []string{"日", "本"}, wrap("日本", 2))
	require.Equal(t, []string{"日", "本"}, wrap("日本", 1), "a rune that is wider than a line")
	for to := 1; to < 20; to++ {
		joined := strings.Join(wrap("the quick brown fox jumps over the lazy dog", to), "")
		require.Equal(t, "thequickbrownfoxjumpsoverthelazydog", strings.ReplaceAll(joined, " ", ""))
	}
}

func TestASentenceAboutALook(t *testing.T) {
	for look, want := range map[string]string{
		"gaveup": " gave up", "abandoned": " has an abandoned run", "unready": " is not ready", "pending": " is not started yet", "new": " is new",
	} {
		verb, words := is(look)
		require.Equal(t, want, verb+words)
	}
}

func TestRowsOfAGraph(t *testing.T) {
	api := view.Node{Needs: []string{"db\x1b[31m"}, After: []string{"a", "b", "c", "d", "e", "f"}}
	require.Equal(t, `needs db\x1b[31m, after a, b, c, d, e and 1 other`, detail(&api, time.Time{}))
	waiting := api
	waiting.Waits = api.Needs
	require.Equal(t, `waits for db\x1b[31m`, detail(&waiting, time.Time{}))
	require.False(t, alike(&api, &waiting))
	require.False(t, alike(&api, &view.Node{Needs: api.Needs}))
	require.True(t, alike(&api, &view.Node{Name: "other", Needs: api.Needs, After: api.After}))
}
