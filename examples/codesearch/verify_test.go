package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A check that misses a kind of difference proves nothing.
func TestCompareReportsEveryDifference(t *testing.T) {
	base := func() []source {
		return []source{
			{Path: "a.go", Idents: map[string]int{"x": 1, "y": 2}},
			{Path: "b.go", Idents: map[string]int{"x": 3}, Broken: "line 1"},
		}
	}
	differences := map[string]func([]source) []source{
		"missing file":                      func(s []source) []source { return s[:1] },
		"unexpected file":                   func(s []source) []source { return append(s, source{Path: "c.go"}) },
		"broken \"line 2\", want":           func(s []source) []source { s[1].Broken = "line 2"; return s },
		"x: 4 times in b.go, want 3":        func(s []source) []source { s[1].Idents["x"] = 4; return s },
		"y: missing in a.go":                func(s []source) []source { delete(s[0].Idents, "y"); return s },
		"y: duplicate or unexpected file b": func(s []source) []source { s[1].Idents["y"] = 1; return s },
		"unexpected identifier: z":          func(s []source) []source { s[1].Idents["z"] = 1; return s },
		"sizes: {Files:2 Broken:1 Identif":  func(s []source) []source { s[1].Idents["z"] = 1; return s },
	}
	for want, change := range differences {
		f := newFaults()
		compare(indexOf(base()), indexOf(change(base())), f.add)
		require.ErrorContains(t, f.err(), want)
	}
	f := newFaults()
	compare(indexOf(base()), indexOf(base()), f.add)
	require.NoError(t, f.err())
}

func TestCompareReportsDuplicatePostings(t *testing.T) {
	got := indexOf([]source{{Path: "a.go", Idents: map[string]int{"x": 1}}})
	want := indexOf([]source{{Path: "a.go", Idents: map[string]int{"x": 1}}})
	got.postings["x"] = append(got.postings["x"], posting{0, 1})
	f := newFaults()
	compare(want, got, f.add)
	require.ErrorContains(t, f.err(), "x: duplicate or unexpected file a.go")
}

func indexOf(sources []source) *index {
	ix := newIndex()
	for _, s := range sources {
		ix.add(s)
	}
	return ix
}
