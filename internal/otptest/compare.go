package otptest

import (
	"fmt"
	"strings"
)

// Compare returns an empty string if the traces are equal. Otherwise it returns a diff of
// the first step in which they differ: a minus marks lines that only OTP has, a plus lines
// that only Coppice has.
func Compare(want, got *Trace) string {
	for i := range max(len(want.Blocks), len(got.Blocks)) {
		var w, g Block
		if i < len(want.Blocks) {
			w = want.Blocks[i]
		}
		if i < len(got.Blocks) {
			g = got.Blocks[i]
		}
		if w.Header == g.Header && sameLines(w.Lines, g.Lines) {
			continue
		}
		var text strings.Builder
		fmt.Fprintf(&text, "%s, step %s\n(- OTP, + Coppice)\n", want.Name, w.Header)
		if w.Header != g.Header {
			fmt.Fprintf(&text, "- step: %s\n+ step: %s\n", w.Header, g.Header)
		}
		writeDiff(&text, w.Lines, g.Lines)
		return text.String()
	}
	return ""
}

func sameLines(a, b []string) bool {
	return strings.Join(a, "\n") == strings.Join(b, "\n")
}

// writeDiff writes a diff of two lists of lines. Lines of their longest common subsequence
// are not marked.
func writeDiff(text *strings.Builder, want, got []string) {
	// common[i][j] is the length of the longest common subsequence of want[i:] and got[j:].
	common := make([][]int, len(want)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got) - 1; j >= 0; j-- {
			if want[i] == got[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			fmt.Fprintf(text, "  %s\n", want[i])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(text, "- %s\n", want[i])
			i++
		default:
			fmt.Fprintf(text, "+ %s\n", got[j])
			j++
		}
	}
}
