package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coppice-go/coppice/internal/oneline"
)

// maxText bounds a text of the server, in runes, wherever it is one line.
const maxText = 1000

// clean makes a text of the server one line that is safe for a terminal. Of a text of
// several lines it takes the first.
func clean(text string) string { return oneline.First(bound(text, maxText)) }

// bound cuts a text to a number of runes.
func bound(text string, runes int) string {
	if len(text) <= runes || utf8.RuneCountInString(text) <= runes {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > runes {
			return text[:i] + "…"
		}
	}
	return text
}

// lines splits a text of the server into lines that are safe for a terminal. A tab
// becomes four spaces, as in stacks.
func lines(text string) []string {
	var all []string
	for line := range strings.Lines(strings.TrimRight(text, "\r\n")) {
		line = strings.TrimRight(line, "\r\n")
		all = append(all, oneline.Text(strings.ReplaceAll(line, "\t", "    ")))
	}
	return all
}

// count formats a number with commas, such as 96,000.
func count[N int | uint64](n N) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// counted formats a number of things, such as "1 child" or "3 children".
func counted[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// short formats a duration in at most two units, such as 0.3s, 26s, 4m12s, 3h5m and 6d4h.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(d, 0)
	two := func(a int64, unit string, b int64, smaller string) string {
		if b == 0 {
			return fmt.Sprintf("%d%s", a, unit)
		}
		return fmt.Sprintf("%d%s%d%s", a, unit, b, smaller)
	}
	switch {
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int64(d/time.Second))
	case d < time.Hour:
		return two(int64(d/time.Minute), "m", int64(d%time.Minute/time.Second), "s")
	case d < day:
		return two(int64(d/time.Hour), "h", int64(d%time.Hour/time.Minute), "m")
	}
	return two(int64(d/day), "d", int64(d%day/time.Hour), "h")
}

// clock formats a time for the time zone of this machine, with the date if it is not
// near now.
func clock(t, now time.Time) string {
	t = t.Local()
	if d := now.Sub(t); d > 20*time.Hour || d < -20*time.Hour {
		return t.Format("Jan 2 15:04:05")
	}
	return t.Format("15:04:05")
}

// wrap breaks a text into lines of at most a width, at spaces where it can. A width of
// zero is no limit.
func wrap(text string, to int) []string {
	if to <= 0 || width(text) <= to {
		return []string{text}
	}
	var all []string
	line := ""
	for _, word := range strings.Fields(text) {
		for width(word) > to { // longer than a line
			if line != "" {
				all, line = append(all, line), ""
			}
			head, used := 0, 0
			for i, r := range word {
				if used += cells(r); used > to && i > 0 {
					break
				}
				head = i + utf8.RuneLen(r)
			}
			all, word = append(all, word[:head]), word[head:]
		}
		switch {
		case word == "":
		case line == "":
			line = word
		case width(line)+1+width(word) <= to:
			line += " " + word
		default:
			all, line = append(all, line), word
		}
	}
	if line != "" {
		all = append(all, line)
	}
	return all
}
