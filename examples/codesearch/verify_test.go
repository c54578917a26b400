package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The check itself must see each kind of difference, or it proves nothing.
func TestCompareSeesEveryDifference(t *testing.T) {
	base := func() []source {
		return []source{
			{Path: "a.go", Idents: map[string]int{"x": 1, "y": 2}},
			{Path: "b.go", Idents: map[string]int{"x": 3}, Broken: "line 1"},
		}
	}
	differences := map[string]func([]source) []source{
		"lost file":                        func(s []source) []source { return s[:1] },
		"file out of nowhere":              func(s []source) []source { return append(s, source{Path: "c.go"}) },
		"broken \"line 2\", not":           func(s []source) []source { s[1].Broken = "line 2"; return s },
		"x: 4 times in b.go, not 3":        func(s []source) []source { s[1].Idents["x"] = 4; return s },
		"y: lost in a.go":                  func(s []source) []source { delete(s[0].Idents, "y"); return s },
		"y: b.go is there twice, or":       func(s []source) []source { s[1].Idents["y"] = 1; return s },
		"identifier out of nowhere: z":     func(s []source) []source { s[1].Idents["z"] = 1; return s },
		"sizes: {Files:2 Broken:1 Identif": func(s []source) []source { s[1].Idents["z"] = 1; return s },
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

func TestCompareSeesDoublePostings(t *testing.T) {
	got := indexOf([]source{{Path: "a.go", Idents: map[string]int{"x": 1}}})
	want := indexOf([]source{{Path: "a.go", Idents: map[string]int{"x": 1}}})
	got.postings["x"] = append(got.postings["x"], posting{0, 1})
	f := newFaults()
	compare(want, got, f.add)
	require.ErrorContains(t, f.err(), "x: a.go is there twice")
}

func indexOf(sources []source) *index {
	ix := newIndex()
	for _, s := range sources {
		ix.add(s)
	}
	return ix
}
