package rules

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coppice-go/coppice/child"
)

func spec(name string, needs, after []string) child.Spec {
	return child.Spec{Name: name, Needs: needs, After: after}
}

func TestFaultsOfEdges(t *testing.T) {
	job := spec("job", nil, nil)
	job.Restart = child.Temporary
	for _, c := range []struct {
		name  string
		specs []child.Spec
		all   bool
		want  []Fault
	}{
		{"none", []child.Spec{spec("a", nil, nil), job}, true, nil},
		{"in any order", []child.Spec{spec("b", []string{"a"}, nil), spec("a", nil, nil)}, true, nil},
		{"twice", []child.Spec{spec("a", nil, nil), spec("b", []string{"a", "a"}, []string{"a"})}, true, nil},
		{"after a temporary child", []child.Spec{job, spec("a", nil, []string{"job"})}, true, nil},
		{"a need that is temporary", []child.Spec{job, spec("a", []string{"job"}, nil)}, false, []Fault{{1, "Needs", NeedsTemporary("job")}}},
		{"unknown", []child.Spec{spec("a", []string{"x"}, []string{"y"})}, true,
			[]Fault{{0, "Needs", `no such child: "x"`}, {0, "After", `no such child: "y"`}}},
		{"perhaps elsewhere", []child.Spec{spec("a", []string{"x"}, []string{"y"})}, false, nil},
		{"itself, which package child reports", []child.Spec{spec("a", []string{"a"}, nil)}, true, nil},
		{"impossible names, which package child reports", []child.Spec{spec("a", []string{"", "x/y"}, []string{"", "\n"})}, true, nil},
		{"a cycle of both kinds", []child.Spec{spec("a", []string{"b"}, nil), spec("b", nil, []string{"a"})}, true,
			[]Fault{{0, "Needs", "cycle: a -> b -> a"}}},
		{"a cycle below", []child.Spec{spec("top", []string{"a"}, nil), spec("a", nil, []string{"b"}), spec("b", []string{"a"}, nil)}, true,
			[]Fault{{1, "After", "cycle: a -> b -> a"}}},
	} {
		require.Equal(t, c.want, Link(c.specs).Faults(c.specs, c.all), c.name)
	}
}

func TestLink(t *testing.T) {
	require.Nil(t, Link(nil))
	require.Nil(t, Link([]child.Spec{spec("a", nil, nil), spec("b", nil, nil)}))
	require.Equal(t, Links{2, 0, NoSpec, 0}, Link([]child.Spec{
		spec("a", nil, nil), spec("b", []string{"c", "a"}, []string{"x"}), spec("c", []string{"a"}, nil)}))
}

// A diamond of layers has very many paths and no cycle.
func TestFaultsLooksAtEachEdgeOnce(t *testing.T) {
	var specs []child.Spec
	for layer := range 200 {
		for i := range 3 {
			s := spec(fmt.Sprint(layer, " ", i), nil, nil)
			for below := range 3 {
				if layer > 0 {
					s.Needs = append(s.Needs, fmt.Sprint(layer-1, " ", below))
				}
			}
			specs = append(specs, s)
		}
	}
	require.Empty(t, Link(specs).Faults(specs, true))
}

func TestCopySharesNoMemory(t *testing.T) {
	s := spec("a", []string{"b"}, []string{"c"})
	made := Copy(s)
	made.Needs[0], made.After[0] = "x", "y"
	require.Equal(t, spec("a", []string{"b"}, []string{"c"}), s)
	require.Nil(t, Copy(spec("a", nil, nil)).Needs)
}
