package observer

import (
	"strconv"
	"time"
)

// clock formats a moment, with the date if it is not within a day of another.
func clock(t, now time.Time) string {
	if d := t.Sub(now); d > 20*time.Hour || d < -20*time.Hour {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format("15:04:05")
}

// count formats a number with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// plural returns "1 child" or "2 children".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// are returns "1 is" or "2 are".
func are(n int) string {
	if n == 1 {
		return "1 is"
	}
	return count(n) + " are"
}
